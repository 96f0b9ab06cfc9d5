"""What is said to etcd, and what is understood of its answers. Pure.

Source: etcd's api/etcdserverpb/rpc.proto.
"""

from __future__ import annotations

from typing import Any

from apiserver.storage.etcd.messages import rpc_pb2 as rpc
from apiserver.storage.interface import Change, Compacted, Entry, StorageUnavailable

_MOD = rpc.Compare.MOD  # compared for equality, unless something else is said
_PREFIX_START, _EVERYTHING = b"\x00", b"\x00"  # etcd's range of all keys


def watch_request(after: int) -> bytes:
    """A watch of all keys above a revision."""
    create = rpc.WatchCreateRequest(
        key=_PREFIX_START, range_end=_EVERYTHING, start_revision=after + 1, fragment=True
    )
    serialized: bytes = rpc.WatchRequest(create_request=create).SerializeToString()
    return serialized


def read_watch(messages: list[bytes], after: int, batch: list[Change]) -> int:
    """Add what a watch said to `batch`; how many of it make whole revisions.

    Compacted, StorageUnavailable: etcd cancelled the watch.
    """
    whole = 0
    for message in messages:
        answer = rpc.WatchResponse.FromString(message)
        if answer.canceled:
            if answer.compact_revision:
                raise Compacted(answer.compact_revision)
            raise StorageUnavailable(f"etcd cancelled the watch: {answer.cancel_reason}")
        for event in answer.events:
            kv = event.kv
            if kv.mod_revision > after:
                batch.append(Change(kv.key, None if event.type else kv.value, kv.mod_revision))
        if not answer.fragment:
            whole = len(batch)
    return whole


def transaction(key: bytes, value: bytes | None, expected: int, lease: int) -> bytes:
    """A write that is carried out if the key is at revision `expected`, else the key is read."""
    request = rpc.TxnRequest()  # filled in place, which is cheaper than by keywords
    compare = request.compare.add()
    compare.target, compare.key, compare.mod_revision = _MOD, key, expected
    write = request.success.add()
    if value is None:
        write.request_delete_range.key = key
    else:
        put = write.request_put
        put.key, put.value, put.lease = key, value, lease
    if expected:  # a create does not look at what it ran into
        request.failure.add().request_range.key = key
    serialized: bytes = request.SerializeToString()
    return serialized


def entry_of(kv: Any) -> Entry:
    return Entry(kv.key, kv.value, kv.mod_revision)
