"""Header blocks: requests as constant bytes, answers read once and remembered.

HPACK's table would make a block's meaning depend on the blocks before it. We allow the peer none
(SETTINGS_HEADER_TABLE_SIZE 0) and use none ourselves, so equal bytes mean equal headers, for ever:
a request's block is encoded once per method, and an answer's is decoded once per wording.

Source: RFC 7541; gRPC's doc/PROTOCOL-HTTP2.md (headers, trailers, percent-encoded messages).
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple

from apiserver.storage.etcd.frames import COMPRESSION_ERROR, PROTOCOL_ERROR, ProtocolError

HEADER_BYTES_MAX = 64 * 1024  # of one list of headers, as they are and as they come
WORDINGS_MAX = 128  # different blocks remembered; etcd uses a handful, and one a second with a date


class Head(NamedTuple):
    """What gRPC asks of a list of headers. Absent: status 0, grpc_status None, texts empty."""

    status: int = 0
    content_type: str = ""
    grpc_status: int | None = None
    grpc_message: str = ""


def request_block(
    *, scheme: str, authority: str, path: str, seconds: float = 0, metadata: dict[str, str]
) -> bytes:
    """A gRPC request's headers as HPACK bytes that neither use nor change a table.

    seconds: the deadline told to the peer; 0 tells none
    """
    pairs = [
        (":method", "POST"),
        (":scheme", scheme),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *metadata.items(),
    ]
    if seconds:
        pairs.append(("grpc-timeout", f"{round(seconds * 1000)}m"))
    block: bytes = Encoder().encode([NeverIndexedHeaderTuple(*pair) for pair in pairs])
    return block


class HeadReader:
    """Reads answers' header blocks."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        """ProtocolError when it is not HPACK, or not headers."""
        found = self._known.get(block)
        if found is None:
            found = _read(block)
            if len(self._known) >= WORDINGS_MAX:
                self._known.clear()
            self._known[block] = found
        return found


def _read(block: bytes) -> Head:
    decoder = Decoder(max_header_list_size=HEADER_BYTES_MAX)
    decoder.header_table_size = decoder.max_allowed_table_size = 0
    try:
        fields = {str(name): str(value) for name, value in decoder.decode(block)}
    except HPACKError as error:
        raise ProtocolError(COMPRESSION_ERROR, f"unreadable headers: {error}") from error
    status = fields.get("grpc-status")
    return Head(
        status=_number(fields.get(":status", "0")),
        content_type=fields.get("content-type", ""),
        grpc_status=None if status is None else _number(status),
        grpc_message=unquote(fields.get("grpc-message", ""), errors="replace"),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ProtocolError(PROTOCOL_ERROR, f"a status of {text!r}")
    return int(text)
