from __future__ import annotations

from typing import Any

import pytest
from hpack import Decoder, Encoder

from apiserver.storage.etcd import headers
from apiserver.storage.etcd.frames import ProtocolError
from apiserver.storage.etcd.headers import Head, HeadReader, request_block


def block(*fields: tuple[str, str]) -> bytes:
    """As a peer writes it that may keep no table: the first block says so."""
    encoder = Encoder()
    encoder.header_table_size = 0
    encoded: bytes = encoder.encode(fields)
    return encoded


def test_a_request_is_the_same_bytes_whatever_came_before() -> None:
    asked = request_block(
        scheme="http", authority="a:1", path="/etcdserverpb.KV/Txn", seconds=5,
        metadata={"hasleader": "true"},
    )  # fmt: skip
    decoder = Decoder()
    for _ in range(2):
        fields: list[Any] = list(decoder.decode(asked))
        assert dict(fields) == {
            ":method": "POST",
            ":scheme": "http",
            ":path": "/etcdserverpb.KV/Txn",
            ":authority": "a:1",
            "te": "trailers",
            "content-type": "application/grpc",
            "hasleader": "true",
            "grpc-timeout": "5000m",
        }
    assert not decoder.header_table.dynamic_entries


def test_answers() -> None:
    reader = HeadReader()
    first = block((":status", "200"), ("content-type", "application/grpc"))
    assert reader.read(first) == Head(200, "application/grpc")
    assert reader.read(first) is reader.read(bytes(first))
    trailers = block(("grpc-status", "11"), ("grpc-message", "caf%C3%A9 50%25 %zz"))
    assert reader.read(trailers) == Head(grpc_status=11, grpc_message="café 50% %zz")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "WORDINGS_MAX", 3)
    reader = HeadReader()
    for day in range(20):
        assert reader.read(block((":status", "200"), ("date", str(day)))).status == 200
        assert len(reader._known) <= 3


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff",  # an index that is not there
        b"\xbe",  # the table's first entry: there is none
        b"\x3f\xe1\x1f",  # a table of 4096 bytes, which we did not allow
        b"\x00\x05ab",  # cut off
        block((":status", "OK")),
        block(("grpc-status", "²")),
    ],
)
def test_bad_blocks(bad: bytes) -> None:
    with pytest.raises(ProtocolError):
        HeadReader().read(bad)


def test_a_peer_that_indexes_all_the_same_changes_nothing() -> None:
    """With a table of no size an entry is not kept, so later blocks do not depend on it."""
    indexed = b"\x40\x0bgrpc-status\x010"
    reader = HeadReader()
    assert reader.read(indexed).grpc_status == 0
    with pytest.raises(ProtocolError):
        reader.read(b"\xbe")
