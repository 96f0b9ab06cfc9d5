"""Port-forwarding over a WebSocket's channels; and what both ways of it share.

Port number i of the query has channel 2i for data and 2i+1 for errors; each channel starts with the
port, little-endian. There is no half-close. Spoken by client libraries and by the API server's proxy;
kubectl speaks SPDY inside the WebSocket instead (`tunnel.py`).

Source: k8s.io/kubelet's cri/streaming/portforward.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kubelet.server.channels import FOURTH, Channels
from kubelet.server.flow import Dial, Flow, Send, Stalled
from kubelet.server.messages import ClientGone

log = logging.getLogger(__name__)

PROTOCOLS = FOURTH
PORTS_MAX = 100  # of one request: a channel's number is a byte


@dataclass(frozen=True, slots=True)
class Target:
    """The pod, and how to reach a port of it."""

    name: str
    uid: str
    dial: Dial

    async def carry(
        self, flow: Flow, port: int, data: Send, error: Send, *, half_close: bool
    ) -> None:
        """Connect, and carry a flow to its end; `error` is told when there is no connection."""
        try:
            pod = await self.dial(port)
        except OSError as failure:
            text = (
                f"error forwarding port {port} to pod {self.name}, uid {self.uid}: {_why(failure)}"
            )
            log.info("%s", text)
            await error(text.encode())
            return
        await flow.run(pod, data, half_close=half_close)


def _why(failure: OSError) -> str:
    """asyncio's own texts name calls of Python's."""
    if failure.errno is not None:
        return f"connect: {os.strerror(failure.errno).lower()}"
    return str(failure) or "connect: i/o timeout"


def parse_ports(values: Sequence[str]) -> list[int]:
    """The ports of a query; ValueError when there are none, or what is none."""
    if not values:
        raise ValueError('query parameter "port" is required')
    found = []
    for text in ",".join(values).split(","):
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise ValueError(f'unable to parse "{text}" as a port')
        found.append(int(text))
    if len(found) > PORTS_MAX:
        raise ValueError(f"at most {PORTS_MAX} ports can be forwarded at once")
    return found


async def serve(client: Channels, ports: Sequence[int], target: Target) -> None:
    """Forward until all connections have ended or the client goes."""
    flows = [Flow() for _ in ports]
    try:
        async with asyncio.TaskGroup() as tasks:
            carriers = []
            for number, port in enumerate(ports):
                data, error = _sender(client, 2 * number), _sender(client, 2 * number + 1)
                await data(struct.pack("<H", port))
                await error(struct.pack("<H", port))
                work = target.carry(flows[number], port, data, error, half_close=False)
                carriers.append(tasks.create_task(work))
            listening = tasks.create_task(_listen(client, flows))
            carrying = tasks.create_task(_all(carriers))
            await asyncio.wait((listening, carrying), return_when=asyncio.FIRST_COMPLETED)
            for task in (listening, carrying, *carriers):
                task.cancel()
    except* (ClientGone, Stalled):
        log.debug("port-forward to pod %s was broken off", target.name)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


def _sender(client: Channels, channel: int) -> Send:
    async def write(data: bytes) -> None:
        if data:
            await client.send(channel, data)

    return write


async def _listen(client: Channels, flows: Sequence[Flow]) -> None:
    while (message := await client.receive()) is not None:
        number, is_error = divmod(message[0], 2)
        # Clients have nothing to say on error channels.
        if message[1] and 0 <= number < len(flows) and not is_error:
            await flows[number].put(message[1])
