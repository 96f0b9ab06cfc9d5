"""exec and attach over a WebSocket: the remote-command channels.

What each channel (`channels.py`) carries:

    0 stdin   1 stdout   2 stderr   3 the final Status (JSON; oldest dialects: the error's text)
    4 resize {"Width","Height"}
    255 (v5 only) "this channel ends"; its one byte of data names the channel

Source: upstream's apimachinery remotecommand, streaming/pkg/httpstream/wsstream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubelet.runtime.protocol import RuntimeFailure, Stream
from kubelet.server.channels import FIFTH, FOURTH, OLDEST, Channels

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = (*FIFTH, *FOURTH, *OLDEST)


def exit_status(command: Sequence[str], code: int) -> dict[str, Any]:
    """The Status that ends a command's session."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    words = " ".join(command)
    error = f"error executing command [{words}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {error}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure_status(message: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


@dataclass(frozen=True)
class Command:
    """A session with a process of its own (exec): its exit code is the session's end."""

    words: Sequence[str]
    outputs: frozenset[int]
    ends_input = True

    async def final_status(self, process: Stream) -> dict[str, Any]:
        return exit_status(self.words, await process.exit_code())


@dataclass(frozen=True)
class Attached:
    """A session with a container's main process, which lives and ends on its own.

    outputs:    the channels the client wants
    ends_input: whether the process's input ends with the client's (stdinOnce)
    """

    outputs: frozenset[int]
    ends_input: bool

    async def final_status(self, process: Stream) -> dict[str, Any]:
        return exit_status((), 0)  # as upstream: how the process ended is in the pod's status


async def serve(client: Channels, process: Stream, session: Command | Attached) -> None:
    """Carry bytes both ways until the process ends or the client goes; then let go of the process."""
    incoming = asyncio.create_task(_client_to_process(client, process, session.ends_input))
    outgoing = asyncio.create_task(_process_to_client(client, process, session))
    try:
        await asyncio.wait({incoming, outgoing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (incoming, outgoing):
            task.cancel()
        await asyncio.gather(incoming, outgoing, return_exceptions=True)
        await process.close()


async def _process_to_client(
    client: Channels, process: Stream, session: Command | Attached
) -> None:
    try:
        # An empty message says that the session stands, as upstream's does.
        await client.send(min(session.outputs, default=ERROR), b"")
        while (piece := await process.read()) is not None:
            channel, data = piece
            if channel in session.outputs:
                await client.send(channel, data)
        status = await session.final_status(process)
    except RuntimeFailure as error:
        status = failure_status(str(error))
    if client.has_status:
        await client.send(ERROR, json.dumps(status).encode())
    elif status["status"] != "Success":
        await client.send(ERROR, status["message"].encode())


async def _client_to_process(client: Channels, process: Stream, ends_input: bool) -> None:
    """Ends only when the client goes: a process whose input has ended still talks."""
    while (message := await client.receive()) is not None:
        channel, body = message
        if channel == STDIN and body:
            await process.write(body)
        elif channel == RESIZE:
            await _resize(process, body)
        elif channel == CLOSE and body[:1] == bytes([STDIN]) and ends_input:
            await process.close_stdin()


async def _resize(process: Stream, body: bytes) -> None:
    try:
        size = json.loads(body)
        width, height = int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError):
        return  # as upstream: a size that can't be read changes nothing
    await process.resize(width, height)
