"""HTTP/2 frames as bytes: taking a stream of bytes apart, putting frames together. Pure.

A frame is 9 bytes (length, kind, flags, stream) and a payload. What the frames mean is `session.py`'s.

Source: RFC 9113, sections 4 and 6.
"""

from __future__ import annotations

import struct

# --- kinds ---
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)  # fmt: skip

# --- flags ---
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

# --- settings ---
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 4, 5, 6

# --- error codes ---
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 6, 7, 8, 9
ENHANCE_YOUR_CALM, INADEQUATE_SECURITY = 11, 12

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
FRAME_BYTES_MAX = 16_384  # what both sides may send unless the other allows more; we allow no more
FRAME_BYTES_LIMIT = (1 << 24) - 1
WINDOW_BYTES_DEFAULT = 65_535
WINDOW_BYTES_LIMIT = (1 << 31) - 1
STREAM_ID_LIMIT = (1 << 31) - 1

_HEAD = struct.Struct(">HBBBL")  # the length's upper 16 bits, its lower 8, kind, flags, stream
_SETTING = struct.Struct(">HL")
_GOAWAY = struct.Struct(">LL")

Frame = tuple[int, int, int, bytes]  # kind, flags, stream, payload


class ProtocolError(Exception):
    """The peer broke the protocol: the connection is of no more use."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class FrameBuffer:
    """Bytes as they come in, frames as they are complete. Keeps less than one frame."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete. ProtocolError when one is too long."""
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        at, size = 0, len(data)
        while size - at >= HEAD_BYTES:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            length = high << 8 | low
            if length > FRAME_BYTES_MAX:
                raise ProtocolError(FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start = at + HEAD_BYTES
            end = start + length
            if end > size:
                break
            frames.append((kind, flags, stream & STREAM_ID_LIMIT, data[start:end]))
            at = end
        self._rest = data[at:]
        return frames


def head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """The 9 bytes before a payload."""
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return head(len(payload), kind, flags, stream) + payload


def header_frames(stream: int, block: bytes, *, end: bool = False, size: int) -> bytes:
    """HEADERS, and CONTINUATIONs when the block is above `size` bytes."""
    first, rest = block[:size], block[size:]
    flags = END_STREAM if end else 0
    frames = [frame(HEADERS, flags | (0 if rest else END_HEADERS), stream, first)]
    while rest:
        part, rest = rest[:size], rest[size:]
        frames.append(frame(CONTINUATION, 0 if rest else END_HEADERS, stream, part))
    return b"".join(frames)


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in values.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """What the peer sets, in its order."""
    if len(payload) % _SETTING.size:
        raise ProtocolError(FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    return list(_SETTING.iter_unpack(payload))


def window_update(stream: int, more: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, more.to_bytes(4, "big"))


def rst_stream(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(code: int, text: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, _GOAWAY.pack(0, code) + text.encode())


def read_goaway(payload: bytes) -> tuple[int, int, str]:
    """The last stream the peer takes care of, the code, what it says."""
    if len(payload) < _GOAWAY.size:
        raise ProtocolError(FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
    last, code = _GOAWAY.unpack_from(payload)
    return last & STREAM_ID_LIMIT, code, payload[_GOAWAY.size :].decode(errors="replace")


def read_number(payload: bytes) -> int:
    """The payload of RST_STREAM, and of WINDOW_UPDATE less its reserved bit."""
    if len(payload) != 4:
        raise ProtocolError(FRAME_SIZE_ERROR, f"{len(payload)} bytes instead of 4")
    return int.from_bytes(payload, "big")


def content(kind: int, flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without padding and priority."""
    if not flags & (PADDED | WITH_PRIORITY):
        return payload
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise ProtocolError(FRAME_SIZE_ERROR, "a padded frame without its padding's length")
        start, end = 1, end - payload[0]
    if kind == HEADERS and flags & WITH_PRIORITY:
        start += 5
    if start > end:
        raise ProtocolError(PROTOCOL_ERROR, "more padding than payload")
    return payload[start:end]
