"""Port-forwarding as kubectl speaks it: SPDY frames inside the messages of a WebSocket.

For each local connection the client opens two SPDY streams that share a request id: `error`, on which
only we speak, when it goes wrong, and `data`. Each side ends its half of a stream apart (FIN); the
client resets `data` when it has lost interest, and waits for the end of `error`.

Source: k8s.io/kubelet's cri/streaming/portforward/httpstream.go, KEP-4006.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.websockets import WebSocket

from kubelet.server.flow import Flow, Send, Stalled
from kubelet.server.messages import ClientGone, close, receive, send
from kubelet.server.port_forward import Target
from kubelet.server.spdy import (
    REFUSED_STREAM,
    Codec,
    Data,
    Frame,
    GoAway,
    Ping,
    Reset,
    SpdyError,
    SynReply,
    SynStream,
)

log = logging.getLogger(__name__)

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
PAIRS_MAX = 1000  # local connections of one client at a time


@dataclass(slots=True)
class Pair:
    """The two streams of one local connection; 0: not opened yet."""

    port: int
    error: int = 0
    data: int = 0
    flow: Flow = field(default_factory=Flow)
    task: asyncio.Task[None] | None = None


def wanted(headers: Mapping[str, str], stream: int) -> tuple[str, bool, int]:
    """A new stream's request id, whether it is the error stream, its port. ValueError: not ours."""
    kind = headers.get("streamtype", "")
    if kind not in ("error", "data"):
        raise ValueError(f"invalid stream type {kind!r}")
    port = int(headers.get("port", ""))
    if not 0 < port < 65536:
        raise ValueError(f"port {port} must be > 0 and < 65536")
    # Old clients send no id: they open the error stream, then data with the next number of theirs.
    request = headers.get("requestid") or str(stream if kind == "error" else stream - 2)
    return request, kind == "error", port


async def serve(socket: WebSocket, target: Target) -> None:
    """Forward until the client goes."""
    try:
        async with asyncio.TaskGroup() as tasks:
            await Tunnel(socket, target, tasks).listen()
            raise ClientGone  # ends what still runs
    except* (ClientGone, SpdyError) as ended:
        log.debug("port-forward to pod %s ended: %r", target.name, ended.exceptions[0])
    await close(socket)


class Tunnel:
    """One client's connection. Its flows are tasks of the group it is given."""

    def __init__(self, socket: WebSocket, target: Target, tasks: asyncio.TaskGroup) -> None:
        self._socket = socket
        self._target = target
        self._tasks = tasks
        self._codec = Codec()
        self._sending = asyncio.Lock()  # frames must leave in the order they are encoded
        self._pairs: dict[str, Pair] = {}
        self._by_data: dict[int, str] = {}

    async def listen(self) -> None:
        while (message := await receive(self._socket)) is not None:
            for frame in self._codec.feed(message):
                await self._take(frame)

    async def _take(self, frame: Frame) -> None:
        if isinstance(frame, Data):
            await self._data(frame)
        elif isinstance(frame, SynStream):
            await self._open(frame)
        elif isinstance(frame, Reset):
            pair = self._pairs.get(self._by_data.get(frame.stream, ""))
            if pair is not None and pair.task is not None:
                pair.task.cancel()
        elif isinstance(frame, Ping):
            await self._send(frame)
        elif isinstance(frame, GoAway):
            raise ClientGone

    async def _send(self, frame: Frame) -> None:
        async with self._sending:
            await send(self._socket, self._codec.encode(frame))

    async def _open(self, frame: SynStream) -> None:
        try:
            request, is_error, port = wanted(frame.headers, frame.stream)
            if request not in self._pairs and len(self._pairs) >= PAIRS_MAX:
                raise ValueError("too many connections")
        except ValueError as error:
            log.info("port-forward: refused a stream: %s", error)
            await self._send(Reset(frame.stream, REFUSED_STREAM))
            return
        pair = self._pairs.setdefault(request, Pair(port))
        if is_error:
            pair.error = frame.stream
        else:
            pair.data = frame.stream
            self._by_data[frame.stream] = request
        await self._send(SynReply(frame.stream))
        if pair.error and pair.data and pair.task is None:
            pair.task = self._tasks.create_task(self._carry(request, pair))
            await asyncio.sleep(0)  # it has begun: cancelled from now on, it still tidies up

    async def _data(self, frame: Data) -> None:
        pair = self._pairs.get(self._by_data.get(frame.stream, ""))
        if pair is None:
            return  # late bytes of a connection that is over, or the end of an error stream
        try:
            if frame.data:
                await pair.flow.put(frame.data)
            if frame.fin:
                await pair.flow.put(b"")
        except Stalled:
            log.info("port-forward: pod %s stopped reading port %d", self._target.name, pair.port)
            if pair.task is not None:
                pair.task.cancel()

    async def _carry(self, request: str, pair: Pair) -> None:
        """One local connection, from both streams open to both ended."""
        try:
            data, error = self._sender(pair.data), self._sender(pair.error)
            await self._target.carry(pair.flow, pair.port, data, error, half_close=True)
        finally:
            del self._pairs[request]
            del self._by_data[pair.data]
            await self._end(pair)

    async def _end(self, pair: Pair) -> None:
        await self._send(Data(pair.data, fin=True))
        await self._send(Data(pair.error, fin=True))

    def _sender(self, stream: int) -> Send:
        async def write(data: bytes) -> None:
            await self._send(Data(stream, data, fin=not data))

        return write
