"""What is said to etcd, and what is understood of its watch; the rest is tested on a real etcd."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from apiserver.storage.etcd.messages import rpc_pb2 as rpc
from apiserver.storage.etcd.wire import read_watch, transaction
from apiserver.storage.interface import Change, Compacted, StorageUnavailable


def test_a_create() -> None:
    found = rpc.TxnRequest.FromString(transaction(b"/a", b"value", 0, 7))
    compare = rpc.Compare(
        result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=b"/a", mod_revision=0
    )
    put = rpc.PutRequest(key=b"/a", value=b"value", lease=7)
    assert found == rpc.TxnRequest(compare=[compare], success=[rpc.RequestOp(request_put=put)])
    assert found.compare[0].WhichOneof("target_union") == "mod_revision"


def test_an_update_and_a_delete_read_what_they_run_into() -> None:
    read = rpc.RequestOp(request_range=rpc.RangeRequest(key=b"/a"))
    for value, name in ((b"", "request_put"), (None, "request_delete_range")):
        found = rpc.TxnRequest.FromString(transaction(b"/a", value, 12, 0))
        assert found.compare[0].mod_revision == 12
        assert [one.WhichOneof("request") for one in found.success] == [name]
        assert getattr(found.success[0], name).key == b"/a"
        assert list(found.failure) == [read]


def said(*revisions: int, **more: Any) -> bytes:
    answer = rpc.WatchResponse(**more)
    for revision in revisions:
        event = answer.events.add()
        event.kv.key, event.kv.value, event.kv.mod_revision = b"/a", b"v", revision
    message: bytes = answer.SerializeToString()
    return message


def test_a_watch_hands_on_whole_revisions_only() -> None:
    batch: list[Change] = []
    assert read_watch([said(created=True)], 3, batch) == 0
    # What is at or below the revision asked from has been seen.
    assert read_watch([said(2, 3, 4), said(5, fragment=True)], 3, batch) == 1
    assert read_watch([said(5, fragment=True)], 3, batch) == 0
    assert read_watch([said(5)], 3, batch) == 4
    assert [change.revision for change in batch] == [4, 5, 5, 5]


def test_a_deletion() -> None:
    answer = rpc.WatchResponse()
    event = answer.events.add()
    event.type, event.kv.key, event.kv.mod_revision = 1, b"/a", 9
    batch: list[Change] = []
    read_watch([answer.SerializeToString()], 0, batch)
    assert batch == [(b"/a", None, 9)]


def test_a_cancelled_watch() -> None:
    with pytest.raises(Compacted) as compacted:
        read_watch([said(canceled=True, compact_revision=40)], 3, [])
    assert compacted.value.oldest == 40
    with pytest.raises(StorageUnavailable, match="etcdserver: no leader"):
        read_watch([said(canceled=True, cancel_reason="etcdserver: no leader")], 3, [])


def test_grpc_is_not_loaded() -> None:
    """It costs 18 MiB; importing aetcd's client or stubs would bring it back."""
    check = (
        "import sys, apiserver.storage.etcd\n"
        "sys.exit(' '.join(m for m in sys.modules if m.split('.')[0] in ('grpc', 'aetcd')) or 0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.returncode, found.stderr.strip()) == (0, "")
