"""SPDY/3.1 frames, as far as port-forwarding needs them: bytes in, frames out, and back. No I/O.

kubectl sends these inside WebSocket messages. Headers are zlib-compressed with the protocol's own
dictionary, one context for each direction of a connection, so frames must be encoded in the order
they are sent. There is no flow control: the peer (moby/spdystream) has none either.

Source: SPDY Protocol, draft 3.1, section 2; k8s.io/streaming's spdystream.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = 3
CONTROL = 0x8000
FIN = 0x01
HEAD_BYTES = 8
DATA_BYTES_MAX = 64 * 1024  # of one frame we send
CONTROL_BYTES_MAX = 64 * 1024  # of one frame we take
HEADERS_BYTES_MAX = 64 * 1024  # unpacked
STREAM_MASK = 0x7FFFFFFF

REFUSED_STREAM, CANCEL = 3, 5
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS = 1, 2, 3, 4, 6, 7, 8

_WORDS = [
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
]
_MORE_WORDS = (
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
# Both sides must have it to the byte; RFC 1950 names it by its checksum, 0xe3c6a7c2.
DICTIONARY = (
    b"".join(struct.pack("!I", len(word)) + word.encode() for word in (*_WORDS, *_MORE_WORDS))
    + _TEXT.encode()
)


class SpdyError(Exception):
    """The peer does not keep to the protocol; the connection can't go on."""


@dataclass(frozen=True, slots=True)
class SynStream:
    """The peer (or we) open a stream."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class SynReply:
    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """Some bytes of a stream; `fin`: the sender sends no more."""

    stream: int
    data: bytes = b""
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int = CANCEL


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last_stream: int = 0
    status: int = 0


Frame = SynStream | SynReply | Data | Reset | Ping | GoAway


class Codec:
    """One side of one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._data: tuple[int, bool] | None = None  # the stream and fin of a data frame under way
        self._left = 0  # its bytes still to come
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)
        self._pack = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes. A data frame comes in pieces, as its bytes do."""
        self._buffer += data
        found: list[Frame] = []
        while True:
            if self._data is not None:
                if not self._buffer and self._left:
                    return found
                found.append(self._piece())
                continue
            if len(self._buffer) < HEAD_BYTES:
                return found
            first, second = struct.unpack_from("!II", self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            if not first >> 31:
                self._data, self._left = (first, bool(flags & FIN)), length
                del self._buffer[:HEAD_BYTES]
                continue
            if length > CONTROL_BYTES_MAX:
                raise SpdyError(f"control frame of {length} bytes")
            if len(self._buffer) < HEAD_BYTES + length:
                return found
            body = bytes(self._buffer[HEAD_BYTES : HEAD_BYTES + length])
            del self._buffer[: HEAD_BYTES + length]
            frame = self._control(first, flags, body)
            if frame is not None:
                found.append(frame)

    def _piece(self) -> Data:
        assert self._data is not None, "called inside a data frame"
        stream, fin = self._data
        data = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._left -= len(data)
        if self._left:
            return Data(stream, data)
        self._data = None
        return Data(stream, data, fin)

    def _control(self, first: int, flags: int, body: bytes) -> Frame | None:
        if (first >> 16) & 0x7FFF != VERSION:
            raise SpdyError("not SPDY version 3")
        kind, fin = first & 0xFFFF, bool(flags & FIN)
        try:
            if kind == _SYN_STREAM:
                return SynStream(_stream(body), self._headers(body[10:]), fin)
            if kind == _SYN_REPLY:
                return SynReply(_stream(body), self._headers(body[4:]), fin)
            if kind == _RST_STREAM:
                return Reset(*struct.unpack("!II", body))
            if kind == _PING:
                return Ping(*struct.unpack("!I", body))
            if kind == _GOAWAY:
                return GoAway(*struct.unpack("!II", body))
            if kind == _HEADERS:  # nothing of it is needed, but the compression goes on through it
                self._headers(body[4:])
        except (struct.error, zlib.error, IndexError, UnicodeDecodeError) as error:
            raise SpdyError(f"broken frame of type {kind}: {error}") from error
        return None  # SETTINGS, WINDOW_UPDATE and what else there may be

    def _headers(self, packed: bytes) -> dict[str, str]:
        raw = self._unpack.decompress(packed, HEADERS_BYTES_MAX)
        if self._unpack.unconsumed_tail:
            raise SpdyError("too many headers")
        (count,), at = struct.unpack_from("!I", raw), 4
        found = {}
        for _ in range(count):
            name, at = _text(raw, at)
            value, at = _text(raw, at)
            found[name.lower()] = value
        return found

    def encode(self, frame: Frame) -> bytes:
        """The frame's bytes. Data may be as long as it likes: it becomes several frames."""
        if isinstance(frame, Data):
            return _encode_data(frame)
        if isinstance(frame, SynStream):
            head = struct.pack("!IIH", frame.stream, 0, 0)
            return _encode(_SYN_STREAM, head + self._packed(frame.headers), FIN * frame.fin)
        if isinstance(frame, SynReply):
            head = struct.pack("!I", frame.stream)
            return _encode(_SYN_REPLY, head + self._packed(frame.headers), FIN * frame.fin)
        if isinstance(frame, Reset):
            return _encode(_RST_STREAM, struct.pack("!II", frame.stream, frame.status))
        if isinstance(frame, Ping):
            return _encode(_PING, struct.pack("!I", frame.id))
        return _encode(_GOAWAY, struct.pack("!II", frame.last_stream, frame.status))

    def _packed(self, headers: Mapping[str, str]) -> bytes:
        raw = struct.pack("!I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                raw += struct.pack("!I", len(text)) + text
        return self._pack.compress(raw) + self._pack.flush(zlib.Z_SYNC_FLUSH)


def _stream(body: bytes) -> int:
    (found,) = struct.unpack_from("!I", body)
    return int(found) & STREAM_MASK


def _text(raw: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("!I", raw, at)
    end = at + 4 + length
    if end > len(raw):
        raise SpdyError("a header ends after its block")
    return raw[at + 4 : end].decode(), end


def _encode(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("!HHI", CONTROL | VERSION, kind, flags << 24 | len(body)) + body


def _encode_data(frame: Data) -> bytes:
    parts = []
    last = max(0, len(frame.data) - 1) // DATA_BYTES_MAX * DATA_BYTES_MAX
    for at in range(0, last + 1, DATA_BYTES_MAX):
        piece = frame.data[at : at + DATA_BYTES_MAX]
        flags = FIN if frame.fin and at == last else 0
        parts += [struct.pack("!II", frame.stream, flags << 24 | len(piece)), piece]
    return b"".join(parts)
