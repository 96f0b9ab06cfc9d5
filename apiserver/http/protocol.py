"""One connection: uvicorn's httptools protocol, plus the four things uvicorn keeps to itself.

A client certificate reaches the request's scope; a connection can be cut off at once; a streaming
answer ends when its client goes; and a request to change protocols (exec, attach) can take the
connection over as raw bytes. `scope["state"]["connection"]` is the object of this class.

What this is not: an HTTP parser or writer; both stay uvicorn's.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Protocol

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from apiserver.authn.certificates import Identity
from apiserver.http.limits import HEAD_BYTES_MAX, SLOW, TOO_LONG, Limits

# A peer that acknowledges nothing for this long is gone. TCP's own answer is 15 minutes.
TCP_USER_TIMEOUT_MS = 10_000
KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 5
# Bytes of a taken-over connection that may wait to be read; beyond twice this TCP pushes back.
TUNNEL_BUFFER_BYTES = 64 * 1024
# Of a watch, encrypted, and so its connection's alone; beyond, lines wait where all watchers share them.
BLOCKS_BUFFER_BYTES = 128 * 1024
# Encrypting much at once leaves each connection with a large buffer; smaller pieces cost more time.
PIECE_BYTES = 64 * 1024
# What a command in a tunnel is granted to come to its end when the server stops.
TUNNEL_DRAIN_SECONDS = 3.0

Headers = list[tuple[bytes, bytes]]


class Block(Protocol):
    """Lines for several clients' streams; `sealed` is what the first of them wrote, piece by piece."""

    lines: list[bytes]
    size: int
    sealed: Sequence[bytes]


def tune_socket(sock: socket.socket) -> None:
    """Make dead peers noticed. Set on a listening socket it holds for every accepted one (Linux)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Connection(HttpToolsProtocol):
    """See the module.

    tls:       the connection's `ssl` object, which knows the client's certificate; or None
    identity:  what that certificate is good for; authn works it out once per connection
    streaming: the task of a streaming answer; cancelled when the client goes
    """

    tls: ssl.SSLObject | None = None
    identity: Identity | None = None
    streaming: asyncio.Task[Any] | None = None
    gone: bool = False
    ending: asyncio.Event | None = None  # of a taken-over connection: set when the server stops
    _tunnel: asyncio.StreamReader | None = None
    _early: bytes = b""
    _limits: Limits
    _slow: asyncio.TimerHandle | None = None  # cuts off who takes too long to say what he wants
    _head_open: bool = False  # a request's head has begun and not ended
    _head_bytes: int = 0
    _whole: bool = True  # no request's body is on its way

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._limits = self.server_state.limits  # type: ignore[attr-defined]  # put there by HttpServer
        self._limits.idle(self)
        self._expect()
        self.tls = transport.get_extra_info("ssl_object")
        self.app_state = {"connection": self}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._limits.busy(self)
        self._expect_nothing()
        self.app_state = {}
        if self._tunnel is not None:
            self._tunnel.feed_eof()
        if self.streaming is not None:
            self.streaming.cancel()
        self._unset_keepalive_if_required()
        self.gone = True
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn's annotation says
        if self._tunnel is None and (cycle is None or cycle.response_complete):
            self._let_go()

    def stream_ended(self) -> None:
        """The task of the streaming answer has nothing more to write."""
        self.streaming = None
        if self.gone:
            self._let_go()

    def _let_go(self) -> None:
        """Drop what a connection that is gone still holds, when no request's task needs it.

        Connection, transport and request hold each other: without this their buffers (half a megabyte
        for a watch that was busy) stay until the garbage collector's next full round, hours away.
        """
        self.transport = self.flow = self.cycle = self.scope = None  # type: ignore[assignment]  # as uvicorn's parser
        self.tls = None

    def shutdown(self) -> None:
        """The server stops: end when what is being answered is; a tunnel has some time of its own."""
        if self.ending is None:
            super().shutdown()
        else:
            self.loop.call_later(TUNNEL_DRAIN_SECONDS, self.ending.set)

    def abort(self) -> None:
        """Cut the client off without sending what is buffered."""
        if not self.gone:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.feed_data(data)
            return
        self._unset_keepalive_if_required()
        if self._early:  # the client speaks on before the answer to its upgrade
            self._early += data
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._early = data[upgrade.args[0] :]
            self.flow.pause_reading()
        except httptools.HttpParserCallbackError as error:
            self.send_400_response(f"400 Bad Request: {error.__context__}")
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._head_open:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._limits.cut_off(self, TOO_LONG)
            elif self._slow is None:
                self._expect()

    def _expect(self) -> None:
        """The client has something to finish saying, and so long for it."""
        self._slow = self.loop.call_later(self._limits.head_seconds_max, self._take_no_longer)

    def _expect_nothing(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _take_no_longer(self) -> None:
        self._slow = None
        self._limits.cut_off(self, SLOW)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open, self._head_bytes, self._whole = True, 0, False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._whole = True
        self._expect_nothing()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._limits.idle(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if not self._whole:  # a body that nobody waited for: it must not trickle in for ever
            self._expect_nothing()
            self._expect()
        elif not self._head_open and self.cycle.response_complete:
            self._limits.idle(self)

    def _should_upgrade(self) -> bool:
        return False  # upgrades are requests like others until a handler takes the connection over

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._expect_nothing()
        self._limits.busy(self)
        self._check_host()
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # the parser reads no second request after this one

    def _check_host(self) -> None:
        """One Host header, as RFC 9112 wants it. ValueError in the words of Go's net/http."""
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1:
            raise ValueError("too many Host headers")
        if not hosts and self.parser.get_http_version() == "1.1":
            raise ValueError("missing required Host header")

    def respond(self, scope: object, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer in one piece; False when it is not this request's turn (pipelining).

        uvicorn writes head and body apart: one more TLS record and system call for each answer.
        """
        cycle = self.cycle
        if cycle.scope is not scope or cycle.response_started or cycle.scope["method"] == "HEAD":
            return False
        if cycle.disconnected or self.transport.is_closing():
            return True
        parts = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"".join(parts))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def expect_blocks(self) -> None:
        """A chunked answer has begun that `write_block` continues."""
        self.transport.set_write_buffer_limits(high=BLOCKS_BUFFER_BYTES)

    def write_block(self, block: Block) -> bool:
        """Write a block to this connection's chunked answer; False when its client is slow or gone.

        The chunk is put together once for all connections.
        """
        if self.flow.write_paused or self.transport.is_closing():
            return False
        if not block.sealed:
            block.sealed = _pieces(b"".join((b"%x\r\n" % block.size, *block.lines, b"\r\n")))
        for piece in block.sealed:
            self.transport.write(piece)
        return True

    def take_over(self, head: bytes) -> asyncio.StreamReader:
        """Send the answer's head and end HTTP here: what comes now is read from the result.

        Write with `write`. The connection closes when the request's task ends.
        """
        self.cycle.response_started = self.cycle.response_complete = True
        reader = asyncio.StreamReader(limit=TUNNEL_BUFFER_BYTES)
        reader.set_transport(self.transport)
        if self._early:
            reader.feed_data(self._early)
            self._early = b""
        self._tunnel = reader
        self.ending = asyncio.Event()
        self.transport.write(head)
        self.flow.resume_reading()
        return reader

    async def write(self, data: bytes) -> None:
        """Write to a taken-over connection; waits while the client is slow."""
        self.transport.write(data)
        if self.flow.write_paused:
            await self.flow.drain()


def _pieces(chunk: bytes) -> Sequence[bytes]:
    return [chunk[at : at + PIECE_BYTES] for at in range(0, len(chunk), PIECE_BYTES)]
