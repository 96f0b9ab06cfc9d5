"""exec and attach over a WebSocket: the remote-command channels.

A binary message is one channel byte and data:

    0 stdin   1 stdout   2 stderr   3 the final Status (JSON)   4 resize {"Width","Height"}
    255 (v5 only) "this channel ends"; its one byte of data names the channel

Source: upstream's apimachinery remotecommand, streaming/pkg/httpstream/wsstream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from kubelet.runtime.protocol import RuntimeFailure, Stream

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


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


async def serve(
    socket: WebSocket,
    process: Stream,
    command: Sequence[str] | None,
    outputs: frozenset[int] = frozenset((STDOUT, STDERR)),
) -> None:
    """Carry bytes both ways until the process ends or the client goes; then let go of both.

    command: whose exit code ends the session; None when attached to a process of its own life
    outputs: the channels the client wants
    """
    incoming = asyncio.create_task(_client_to_process(socket, process))
    outgoing = asyncio.create_task(_process_to_client(socket, process, command, outputs))
    try:
        await asyncio.wait({incoming, outgoing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (incoming, outgoing):
            task.cancel()
        await asyncio.gather(incoming, outgoing, return_exceptions=True)
        await process.close()


async def _process_to_client(
    socket: WebSocket, process: Stream, command: Sequence[str] | None, outputs: frozenset[int]
) -> None:
    try:
        while (piece := await process.read()) is not None:
            channel, data = piece
            if channel in outputs:
                await socket.send_bytes(bytes([channel]) + data)
        # As upstream: the end of an attached process is no failure of the session.
        status = exit_status(command or (), await process.exit_code() if command else 0)
    except RuntimeFailure as error:
        status = failure_status(str(error))
    await socket.send_bytes(bytes([ERROR]) + json.dumps(status).encode())
    await socket.close(1000)


async def _client_to_process(socket: WebSocket, process: Stream) -> None:
    """Ends only when the client goes: a process whose input has ended still talks."""
    while True:
        try:
            message = await socket.receive()
        except (RuntimeError, WebSocketDisconnect):
            return
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes") or (message.get("text") or "").encode()
        if not data:
            continue
        channel, body = data[0], data[1:]
        if channel == STDIN and body:
            await process.write(body)
        elif channel == RESIZE:
            await _resize(process, body)
        elif channel == CLOSE and body[:1] == bytes([STDIN]):
            await process.close_stdin()


async def _resize(process: Stream, body: bytes) -> None:
    try:
        size = json.loads(body)
        width, height = int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError):
        return  # as upstream: a size that can't be read changes nothing
    await process.resize(width, height)
