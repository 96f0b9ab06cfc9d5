"""What goes out on a connection, within the peer's windows. Pure.

What does not fit waits in its stream, in order of arrival. How much that can be is bounded by the
number of calls: the windows bound what was sent, and nothing is kept of that.

Source: RFC 9113, sections 5.2 and 6.9.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.storage.etcd import frames as h2
from apiserver.storage.etcd.frames import ProtocolError
from apiserver.storage.etcd.streams import Stream


class Sender:
    """Frames gather in `out`; whoever writes them empties it."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self._frame_bytes = h2.FRAME_BYTES_MAX
        self._window = h2.WINDOW_BYTES_DEFAULT  # of the connection: bytes the peer would still take
        self._first_window = h2.WINDOW_BYTES_DEFAULT  # of a new stream
        self._unsent: dict[int, Stream] = {}

    def request(self, stream: Stream, block: bytes, data: bytes) -> None:
        """Send a new stream's headers, and its data as the windows allow."""
        stream.window = self._first_window
        self.out.append(h2.header_frames(stream.id, block, size=self._frame_bytes))
        size = len(data)
        room = min(self._frame_bytes, self._window, stream.window)
        if size <= room and not self._unsent:  # as nearly always; it must overtake none
            self._window -= size
            stream.window -= size
            flags = h2.END_STREAM if stream.ends else 0
            self.out.append(h2.frame(h2.DATA, flags, stream.id, data))
            return
        stream.unsent = memoryview(data)
        self._unsent[stream.id] = stream
        self.send_unsent()

    def send_unsent(self) -> None:
        """As much as the windows allow, in order of arrival."""
        for number, stream in list(self._unsent.items()):
            left = stream.unsent
            while left:
                room = min(self._frame_bytes, self._window, stream.window)
                if room <= 0:
                    break
                part, left = left[:room], left[room:]
                self._window -= len(part)
                stream.window -= len(part)
                flags = h2.END_STREAM if stream.ends and not left else 0
                self.out.append(h2.frame(h2.DATA, flags, number, bytes(part)))
            stream.unsent = left
            if not left:
                del self._unsent[number]

    def forget(self, stream: Stream) -> None:
        """Send no more of a stream."""
        self._unsent.pop(stream.id, None)

    def grow(self, stream: Stream | None, more: int) -> None:
        """The peer takes more, of a stream or of all (None)."""
        if not more:
            raise ProtocolError(h2.PROTOCOL_ERROR, "a window grows by nothing")
        if stream is None:
            window = self._window = self._window + more
        else:
            window = stream.window = stream.window + more
        if window > h2.WINDOW_BYTES_LIMIT:
            raise ProtocolError(h2.FLOW_CONTROL_ERROR, "a window above all bounds")
        if self._unsent:
            self.send_unsent()

    def set_frame_bytes(self, size: int) -> None:
        """The peer takes frames of this size."""
        if not h2.FRAME_BYTES_MAX <= size <= h2.FRAME_BYTES_LIMIT:
            raise ProtocolError(h2.PROTOCOL_ERROR, f"frames of {size} bytes")
        self._frame_bytes = size

    def set_first_window(self, window: int, streams: Iterable[Stream]) -> None:
        """The peer sets a stream's first window, and with it changes those of all that are open."""
        if window > h2.WINDOW_BYTES_LIMIT:
            raise ProtocolError(h2.FLOW_CONTROL_ERROR, f"a window of {window} bytes")
        more, self._first_window = window - self._first_window, window
        for stream in streams:
            stream.window += more  # below zero is right: it then waits for that much more
