"""The client's side of one HTTP/2 connection, without I/O: bytes in, bytes out, streams told. Pure.

What goes out gathers until `take`. The windows we give are large: the connection's is never in the
way, so that one slow reader cannot hold up the others, and a stream's bounds what its reader may be
behind. The peer's are kept to by `sender.py`.

Source: RFC 9113.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from apiserver.storage.etcd import frames as h2
from apiserver.storage.etcd.frames import ProtocolError
from apiserver.storage.etcd.headers import HEADER_BYTES_MAX, HeadReader
from apiserver.storage.etcd.sender import Sender
from apiserver.storage.etcd.streams import LOST, Stream

STREAM_WINDOW_BYTES = 16 << 20  # what a peer may send that nobody has read
CONNECTION_CREDIT_BYTES = 1 << 30  # given back in pieces of this
STREAM_CREDIT_BYTES = STREAM_WINDOW_BYTES // 2
WAITING_STREAMS_MAX = 10_000  # beyond what the peer takes at once

_SETTINGS = {
    h2.HEADER_TABLE_SIZE: 0,  # headers.py says why
    h2.ENABLE_PUSH: 0,
    h2.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
    h2.MAX_HEADER_LIST_SIZE: HEADER_BYTES_MAX,
}


class Session:
    """One connection's state. After a ProtocolError or `lost` it is of no more use."""

    def __init__(self) -> None:
        more = h2.WINDOW_BYTES_LIMIT - h2.WINDOW_BYTES_DEFAULT
        self._sender = Sender()
        self._out = self._sender.out
        self._out += [h2.PREFACE, h2.settings(_SETTINGS), h2.window_update(0, more)]
        self.ready = False  # the peer has introduced itself
        self.draining = False  # takes no more streams; those it has go on
        self.goodbye = ""  # the peer's words when it goes
        self.streams: dict[int, Stream] = {}
        self.waiting: deque[tuple[Stream, bytes, bytes]] = deque()
        self._frames = h2.FrameBuffer()
        self._heads = HeadReader()
        self._block: tuple[int, bool, bytes] | None = None  # headers that are not complete
        self._next_id = 1
        self._owed = 0
        self._streams_max = h2.STREAM_ID_LIMIT  # a peer that says nothing takes any number
        self._on: dict[int, Callable[[int, int, bytes], None]] = {
            h2.DATA: self._data,
            h2.HEADERS: self._headers,
            h2.RST_STREAM: self._reset,
            h2.SETTINGS: self._settings,
            h2.PUSH_PROMISE: self._push,
            h2.PING: self._ping,
            h2.GOAWAY: self._goaway,
            h2.WINDOW_UPDATE: self._window_update,
            h2.CONTINUATION: self._continuation,
        }

    @property
    def drained(self) -> bool:
        """Draining, and nothing is left to do."""
        return self.draining and not self.streams

    def everyone(self) -> list[Stream]:
        """All streams that are not over, those that wait too."""
        return [*self.streams.values(), *(stream for stream, _, _ in self.waiting)]

    @property
    def talks(self) -> bool:
        """Whether there is something to be sent."""
        return bool(self._out)

    def give_up(self, error: ProtocolError) -> None:
        """Tell the peer what it did wrong."""
        self._out.append(h2.goaway(error.code, str(error)))

    def take(self) -> bytes:
        """What is to be sent now."""
        sent = b"".join(self._out)
        self._out.clear()
        return sent

    # --- our side ---

    def open(self, stream: Stream, block: bytes, data: bytes) -> None:
        """Send a request: its header block and its data. It may wait until the peer takes more."""
        if self.draining:
            stream.on_failure(h2.REFUSED_STREAM, "the connection is being closed", False)
        elif len(self.streams) < self._streams_max:
            self._start(stream, block, data)
        elif len(self.waiting) < WAITING_STREAMS_MAX:
            self.waiting.append((stream, block, data))
        else:
            stream.on_failure(h2.ENHANCE_YOUR_CALM, "too many requests wait", False)

    def cancel(self, stream: Stream) -> None:
        """Nobody wants the answer any more. The stream is not told."""
        if stream.id:
            if stream.id in self.streams:
                self._out.append(h2.rst_stream(stream.id, h2.CANCEL))
                self._forget(stream)
        else:
            self.waiting = deque(one for one in self.waiting if one[0] is not stream)

    def begun(self, stream: Stream) -> bool:
        """Whether all of a request went out."""
        return bool(stream.id) and not stream.unsent

    def read(self, stream: Stream, size: int) -> None:
        """A reader has taken so much off a stream that is not prompt."""
        stream.owed += size
        if stream.owed >= STREAM_CREDIT_BYTES and stream.id in self.streams:
            self._out.append(h2.window_update(stream.id, stream.owed))
            stream.owed = 0

    def ping(self) -> None:
        self._out.append(h2.frame(h2.PING, 0, 0, b"wherry\0\0"))

    def lost(self, text: str) -> None:
        """The connection is gone: every stream fails."""
        self.draining = True
        streams, self.streams = list(self.streams.values()), {}
        waiting, self.waiting = self.waiting, deque()
        for stream in streams:
            stream.on_failure(LOST, text, self.begun(stream))
        for stream, _, _ in waiting:
            stream.on_failure(LOST, text, False)

    def _start(self, stream: Stream, block: bytes, data: bytes) -> None:
        number = stream.id = self._next_id
        self._next_id += 2
        self.streams[number] = stream
        if self._next_id > h2.STREAM_ID_LIMIT:
            self._drain("stream numbers have run out")
        self._sender.request(stream, block, data)

    def _forget(self, stream: Stream) -> None:
        """A stream is over, which may make room for one that waits."""
        del self.streams[stream.id]
        self._sender.forget(stream)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self.waiting and len(self.streams) < self._streams_max:
            self._start(*self.waiting.popleft())

    def _drain(self, text: str) -> None:
        """Take no more streams; those that wait have not begun."""
        self.draining = True
        waiting, self.waiting = self.waiting, deque()
        for stream, _, _ in waiting:
            stream.on_failure(h2.REFUSED_STREAM, text, False)

    # --- the peer's side ---

    def receive(self, data: bytes) -> None:
        """Bytes came in. ProtocolError: tell the peer by GOAWAY, and close."""
        handlers = self._on
        for kind, flags, number, payload in self._frames.feed(data):
            if self._block is not None and kind != h2.CONTINUATION:
                raise ProtocolError(h2.PROTOCOL_ERROR, "headers were broken off")
            if not self.ready and kind != h2.SETTINGS:
                raise ProtocolError(h2.PROTOCOL_ERROR, "it does not begin with SETTINGS")
            handler = handlers.get(kind)
            if handler is not None:  # frames of unknown kinds are ignored
                handler(flags, number, payload)

    def _find(self, number: int) -> Stream | None:
        """None: it is over. A stream that never was is the peer's mistake."""
        stream = self.streams.get(number)
        if stream is None and (number >= self._next_id or not number & 1):
            raise ProtocolError(h2.PROTOCOL_ERROR, f"stream {number} was never opened")
        return stream

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._owed += size
        if self._owed >= CONNECTION_CREDIT_BYTES:
            self._out.append(h2.window_update(0, self._owed))
            self._owed = 0
        data = h2.content(h2.DATA, flags & h2.PADDED, payload)
        stream = self._find(number)
        if stream is None:
            return
        if flags & h2.END_STREAM:
            self._ended(stream)
            stream.on_data(data, True)
            return
        self.read(stream, size if stream.prompt else size - len(data))
        stream.on_data(data, False)

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        block, ended = h2.content(h2.HEADERS, flags, payload), bool(flags & h2.END_STREAM)
        if flags & h2.END_HEADERS:
            self._head(number, block, ended)
        else:
            self._block = number, ended, block

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._block is None or self._block[0] != number:
            raise ProtocolError(h2.PROTOCOL_ERROR, "a continuation of nothing")
        _, ended, block = self._block
        block += payload
        if len(block) > HEADER_BYTES_MAX:
            raise ProtocolError(h2.ENHANCE_YOUR_CALM, "headers without end")
        if flags & h2.END_HEADERS:
            self._block = None
            self._head(number, block, ended)
        else:
            self._block = number, ended, block

    def _head(self, number: int, block: bytes, ended: bool) -> None:
        stream = self._find(number)
        if stream is None:
            return
        head = self._heads.read(block)
        if ended:
            self._ended(stream)
        stream.on_head(head, ended)

    def _ended(self, stream: Stream) -> None:
        """The peer has said all; what we had still to say is not wanted."""
        if stream.unsent or not stream.ends:
            self._out.append(h2.rst_stream(stream.id, h2.CANCEL))
        self._forget(stream)

    def _reset(self, flags: int, number: int, payload: bytes) -> None:
        code = h2.read_number(payload)
        stream = self._find(number)
        if stream is not None:
            begun = code != h2.REFUSED_STREAM and self.begun(stream)
            self._forget(stream)
            stream.on_failure(code, f"the stream was reset (code {code})", begun)

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if flags & h2.ACK:
            return
        for setting, value in h2.read_settings(payload):
            if setting == h2.INITIAL_WINDOW_SIZE:
                self._sender.set_first_window(value, self.streams.values())
            elif setting == h2.MAX_CONCURRENT_STREAMS:
                self._streams_max = value
            elif setting == h2.MAX_FRAME_SIZE:
                self._sender.set_frame_bytes(value)
        self.ready = True
        self._out.append(h2.frame(h2.SETTINGS, h2.ACK, 0))
        self._sender.send_unsent()
        self._start_waiting()

    def _window_update(self, flags: int, number: int, payload: bytes) -> None:
        more = h2.read_number(payload) & h2.WINDOW_BYTES_LIMIT
        stream = self._find(number) if number else None
        if stream is not None or not number:
            self._sender.grow(stream, more)

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 8:
            raise ProtocolError(h2.FRAME_SIZE_ERROR, f"a ping of {len(payload)} bytes")
        if not flags & h2.ACK:
            self._out.append(h2.frame(h2.PING, h2.ACK, 0, payload))

    def _goaway(self, flags: int, number: int, payload: bytes) -> None:
        last, code, words = h2.read_goaway(payload)
        text = f"the peer closed the connection (code {code}{': ' if words else ''}{words})"
        self.goodbye = text
        self._drain(text)
        for stream in [one for one in self.streams.values() if one.id > last]:
            self._forget(stream)
            stream.on_failure(h2.REFUSED_STREAM, text, False)

    def _push(self, flags: int, number: int, payload: bytes) -> None:
        raise ProtocolError(h2.PROTOCOL_ERROR, "it pushes, though told not to")
