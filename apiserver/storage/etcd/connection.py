"""One connection to etcd: the shell that gives a session its bytes and its time.

What the calls of one turn of the event loop send goes out in one write.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from apiserver.storage.etcd.calls import Call, Streaming, Unary, framed
from apiserver.storage.etcd.frames import ProtocolError
from apiserver.storage.etcd.session import Session
from apiserver.storage.etcd.streams import Stream

PING_SECONDS = 10.0  # of silence while something is asked; etcd refuses pings more often than 5 s
PONG_SECONDS = 5.0
# TCP's own answer to a peer that acknowledges nothing is 15 minutes.
USER_TIMEOUT_MS = 10_000


class Connection(asyncio.Protocol):
    """Calls over one transport. Made by `loop.create_connection`; wait for `opened` then.

    opened: ends when the peer has introduced itself (with "") or the connection failed (with why)
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._session = Session()
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._heard = 0.0
        self._pinged = 0.0  # when; 0: the peer has been heard since
        self._keeping: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._reason = ""  # why we closed it
        self.opened: asyncio.Future[str] = self._loop.create_future()

    @property
    def usable(self) -> bool:
        """Whether a call may be sent now."""
        return self._session.ready and not self._session.draining and not self._reason

    def call(self, block: bytes, message: bytes, deadline: float) -> Unary:
        """Send a request; its `answer` is a future. Cancelled, it must be given to `cancel`."""
        call = Unary(self._loop.create_future(), deadline)
        self._session.open(call, block, framed(message))
        self._flush_soon()
        if self._expiry is None or self._expiry.when() > deadline:
            self._expire_at(deadline)
        return call

    def stream(self, block: bytes, message: bytes) -> Streaming:
        """Open a stream with its first and only message. The caller cancels it."""
        stream = Streaming(self._taken)
        self._session.open(stream, block, framed(message))
        self._flush_soon()
        return stream

    def cancel(self, call: Call) -> None:
        """Nobody waits for a call any more."""
        self._session.cancel(call)
        self._settle()

    def close(self, reason: str = "closed") -> None:
        """Fail what is under way, and go."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._flush()
            self._transport.close()

    # --- of the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        _watch_over(transport.get_extra_info("socket"))
        self._heard = self._loop.time()
        self._keeping = self._loop.call_later(PING_SECONDS, self._keep_alive)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            self._session.receive(data)
        except ProtocolError as error:
            self._session.give_up(error)
            self.close(f"the peer does not speak HTTP/2 as it should: {error}")
            return
        if not self.opened.done() and self._session.ready:
            self.opened.set_result("")
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        said = self._session.goodbye or (str(exc) if exc else "the peer closed the connection")
        reason = self._reason or said
        self._reason, self._transport = reason, None
        for timer in (self._keeping, self._expiry):
            if timer is not None:
                timer.cancel()
        if not self.opened.done():
            self.opened.set_result(reason)
        self._session.lost(reason)

    # --- sending ---

    def _settle(self) -> None:
        """After the session moved: send what it has to say, and go when nothing is left to do."""
        if self._session.talks:
            self._flush_soon()
        if self._session.drained:
            self.close("all is done")

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is not None and self._session.talks:
            self._transport.write(self._session.take())

    def _taken(self, stream: Stream, size: int) -> None:
        self._session.read(stream, size)
        if self._session.talks:
            self._flush_soon()

    # --- time ---

    def _keep_alive(self) -> None:
        """Ask a silent peer whether it is there while somebody waits for it; go if it is not."""
        now = self._loop.time()
        if self._heard < self._pinged and self._transport is not None:
            self._reason = f"silent for {now - self._heard:.0f} s"
            self._transport.abort()
            return
        self._pinged = 0.0
        due = self._heard + PING_SECONDS
        if now >= due and self._session.streams:
            self._pinged = now
            self._session.ping()
            self._flush_soon()
            due = now + PONG_SECONDS
        elif now >= due:
            due = now + PING_SECONDS
        self._keeping = self._loop.call_at(due, self._keep_alive)

    def _expire_at(self, deadline: float) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        """Fail the calls whose time is up, and look again when the next one's is."""
        self._expiry = None
        now = self._loop.time()
        calls = cast("list[Call]", self._session.everyone())
        for call in calls:
            if call.deadline <= now:
                begun = self._session.begun(call)
                self._session.cancel(call)
                call.overdue(begun)
        left = [call.deadline for call in calls if now < call.deadline < float("inf")]
        if left:
            self._expire_at(min(left))
        self._settle()


def _watch_over(sock: socket.socket | None) -> None:
    """Let the kernel notice a peer that vanished without a word."""
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
