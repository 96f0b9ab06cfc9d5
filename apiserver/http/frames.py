"""Where one WebSocket frame ends and the next begins, in a stream that is passed on unread.

Only heads of frames are looked at, so that a frame of ours can be put in between. Source: RFC 6455, 5.2.
"""

from __future__ import annotations

# How a server that stops takes its leave.
GOING_AWAY = 1001
STOPPING = "the API server is stopping"
HEAD_BYTES_MIN = 2
_LENGTH_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4


def close_frame(code: int, reason: str) -> bytes:
    """A server's close frame. `reason`: at most 123 bytes."""
    said = code.to_bytes(2, "big") + reason.encode()
    return bytes((0x88, len(said))) + said


class FrameCounter:
    """Counts frames of one direction from their beginning.

    missing: bytes until the frame ends, as far as is known: at least so many are to come; 0 between two
    """

    def __init__(self) -> None:
        self._head = b""
        self._payload = 0  # bytes of the current frame's content yet to come

    @property
    def missing(self) -> int:
        if self._payload:
            return self._payload
        return _head_bytes(self._head) - len(self._head) if self._head else 0

    def feed(self, data: bytes) -> None:
        """Take note of what is passed on."""
        at = 0
        while at < len(data):
            if self._payload:
                taken = min(self._payload, len(data) - at)
                self._payload -= taken
                at += taken
                continue
            wanted = _head_bytes(self._head) - len(self._head)
            self._head += data[at : at + wanted]
            at += wanted
            if len(self._head) == _head_bytes(self._head):
                self._payload = _payload_bytes(self._head)
                self._head = b""


def _head_bytes(head: bytes) -> int:
    """How long a frame's head is, as far as its beginning tells."""
    if len(head) < HEAD_BYTES_MIN:
        return HEAD_BYTES_MIN
    mask = _MASK_BYTES if head[1] & 0x80 else 0
    return HEAD_BYTES_MIN + _LENGTH_BYTES.get(head[1] & 0x7F, 0) + mask


def _payload_bytes(head: bytes) -> int:
    short = head[1] & 0x7F
    size = _LENGTH_BYTES.get(short, 0)
    return int.from_bytes(head[2 : 2 + size], "big") if size else short
