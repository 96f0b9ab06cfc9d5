"""A connection to a port of a pod, through the kubelet of its node.

This server needs no route to pods' addresses: it asks the kubelet for a port-forward
(`v4.channel.k8s.io`, which upstream's kubelets speak as well) and carries the bytes of one connection
in it. The result looks like any other connection, so that TLS to the pod works on top.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Event, State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from apiserver.http.backend import CHUNK_BYTES, HEAD_BYTES_MAX, SWITCHING_PROTOCOLS, Streams
from apiserver.subresources.kubelets import Kubelets

PROTOCOL = Subprotocol("v4.channel.k8s.io")
CONNECT_SECONDS_MAX = 30.0
DATA, ERROR = 0, 1


@dataclass(frozen=True, slots=True)
class PodPort:
    """Where to: a pod as its path names it, its node, a port."""

    node: Mapping[str, Any]
    namespace: str
    pod: str
    port: int


class PodPorts:
    """Opens connections. Each is carried by a task until either side ends it."""

    def __init__(self, kubelets: Kubelets) -> None:
        self._kubelets = kubelets
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, to: PodPort, tls: ssl.SSLContext | None) -> tuple[Streams, Carrier]:
        """OSError or ApiError when there is no way to the kubelet.

        Whether the port answers is known later: the connection ends, and the carrier says why.
        """
        near, far = socket.socketpair()
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            carrier = await self._open(to, near)
            task = asyncio.create_task(carrier.run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            name = None if tls is None else to.pod
            try:
                streams = await asyncio.open_unix_connection(
                    sock=far, ssl=tls, server_hostname=name, limit=HEAD_BYTES_MAX
                )
            except BaseException as error:
                task.cancel()
                if isinstance(error, OSError) and carrier.failure:
                    raise OSError(carrier.failure) from error
                raise
        return streams, carrier

    async def _open(self, to: PodPort, near: socket.socket) -> Carrier:
        host = self._kubelets.host_of(to.node)
        path = f"/portForward/{quote(to.namespace, '')}/{quote(to.pod, '')}"
        # `address` is ours: a proxied request goes to the pod's address, never to its localhost.
        uri = parse_uri(f"wss://{host}{path}?port={to.port}&address=pod")
        kubelet = await self._kubelets.connect(to.node)
        carrier = Carrier(kubelet, ClientProtocol(uri, subprotocols=[PROTOCOL], max_size=None))
        try:
            await carrier.begin(near)
        except BaseException:
            kubelet[1].close()
            raise
        return carrier


class Carrier:
    """Carries bytes between a local socket and the data channel of a port-forward.

    failure: what the kubelet said on the error channel
    """

    def __init__(self, kubelet: Streams, protocol: ClientProtocol) -> None:
        self.failure = ""
        self._reader, self._writer = kubelet
        self._protocol = protocol
        self._begun: set[int] = set()  # channels that have said their port
        self._channel = DATA  # of the message under way
        self._early: Sequence[Event] = ()

    async def begin(self, near: socket.socket) -> None:
        """The handshake; OSError with the kubelet's words when it refuses."""
        self._near_reader, self._near_writer = await asyncio.open_unix_connection(sock=near)
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while True:
            data = await self._reader.read(CHUNK_BYTES)
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            events = self._protocol.events_received()
            if events and isinstance(events[0], Response):
                self._check(events[0])
                self._early = events[1:]  # frames may come along with the answer
                return
            if not data:
                raise ConnectionResetError("the kubelet ended the connection")

    def _check(self, response: Response) -> None:
        if response.status_code != SWITCHING_PROTOCOLS:
            text = bytes(response.body or b"").decode("utf-8", "replace").strip()
            raise OSError(text or f"the kubelet answered {response.status_code}")
        if self._protocol.handshake_exc is not None:
            raise OSError(f"the kubelet's handshake: {self._protocol.handshake_exc}")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)

    async def run(self) -> None:
        """Until either side ends; then both are closed."""
        up, down = asyncio.create_task(self._up()), asyncio.create_task(self._down())
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if down.done() and not up.done():
                # Closed with bytes unread it would cut off what the other end has not read yet.
                self._near_writer.write_eof()
                await up
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            self._near_writer.close()
            self._writer.close()

    async def _up(self) -> None:
        with suppress(OSError):
            while data := await self._near_reader.read(CHUNK_BYTES):
                if self._protocol.state is State.OPEN:
                    self._protocol.send_binary(bytes([DATA]) + data)
                    self._flush()
                    with suppress(OSError):  # gone; what is left to send has no reader
                        await self._writer.drain()

    async def _down(self) -> None:
        with suppress(OSError):
            events = self._early
            while True:
                for event in events:
                    if isinstance(event, Frame):
                        await self._take(event)
                data = await self._reader.read(CHUNK_BYTES)
                if not data:
                    return
                self._protocol.receive_data(data)
                self._flush()
                events = self._protocol.events_received()

    async def _take(self, frame: Frame) -> None:
        data = bytes(frame.data)
        if frame.opcode is Opcode.BINARY and data:
            self._channel, data = data[0], data[1:]
            if self._channel not in self._begun:  # the first message only names the port
                self._begun.add(self._channel)
                return
        elif frame.opcode is not Opcode.CONT:
            return
        if self._channel == ERROR:
            self.failure += data.decode("utf-8", "replace")
        else:
            self._near_writer.write(data)
            await self._near_writer.drain()
