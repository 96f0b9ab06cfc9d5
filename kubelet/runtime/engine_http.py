"""HTTP/1.1 on the engine's unix socket, by asyncio: for what streams or takes long.

The SDK's calls hold a thread each; events, followed logs, exec and attach would hold it for hours. One
connection per request, no reuse. Only what Docker's API answers is understood: chunked, sized or
until-close bodies, and hijacked (upgraded) connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from kubelet.runtime.protocol import NotFound, RuntimeFailure, RuntimeUnavailable

CONNECT_SECONDS_MAX = 10.0
HEAD_BYTES_MAX = 64 * 1024
ERROR_BYTES_MAX = 64 * 1024
PIECE_BYTES_MAX = 64 * 1024


@dataclass(slots=True)
class Response:
    """An open answer: read its body by `pieces`, then `close`."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. A connection that breaks off ends it."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            async for piece in self._chunks():
                yield piece
            return
        left = int(self.headers.get("content-length", -1))
        while left != 0:
            want = PIECE_BYTES_MAX if left < 0 else min(left, PIECE_BYTES_MAX)
            piece = await self.reader.read(want)
            if not piece:
                return
            left = left if left < 0 else left - len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        with suppress(asyncio.IncompleteReadError):
            while True:
                size = int((await self.reader.readline()).split(b";")[0] or b"0", 16)
                if size == 0:
                    return
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)

    async def lines(self) -> AsyncIterator[bytes]:
        """The body cut at newlines, without them."""
        rest = b""
        async for piece in self.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                if line.strip():
                    yield line
        if rest.strip():
            yield rest

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


class EngineHttp:
    """Opens requests on the engine's socket."""

    def __init__(self, socket_path: str, api_version: str) -> None:
        self._socket = socket_path
        self._prefix = f"/v{api_version}"

    def speak(self, api_version: str) -> None:
        """From now on."""
        self._prefix = f"/v{api_version}"

    async def open(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        *,
        body: Any = None,
        tar: bytes | None = None,
        hijack: bool = False,
        answer_seconds: float = CONNECT_SECONDS_MAX,
    ) -> Response:
        """Send a request and read the head of the answer; a refusal is raised with the engine's text.

        body: sent as JSON; tar: sent as it is
        """
        data = tar if tar is not None else b"" if body is None else orjson.dumps(body)
        target = f"{self._prefix}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        lines = [f"{method} {target} HTTP/1.1", "Host: docker", f"Content-Length: {len(data)}"]
        if data:
            kind = "application/json" if tar is None else "application/x-tar"
            lines.append(f"Content-Type: {kind}")
        lines += ["Connection: Upgrade", "Upgrade: tcp"] if hijack else ["Connection: close"]
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + data
        try:
            async with asyncio.timeout(answer_seconds):
                reader, writer = await asyncio.open_unix_connection(
                    self._socket, limit=HEAD_BYTES_MAX
                )
                try:
                    writer.write(request)
                    response = await read_head(reader, writer)
                except BaseException:
                    writer.close()
                    raise
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise RuntimeUnavailable(f"no answer from {self._socket}: {error!r}") from error
        if response.status >= 400:
            raise await _refusal(response)
        return response


async def read_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Response:
    """The answer as far as its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = head.rstrip("\r\n").split("\r\n")
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Response(int(first.split(" ", 2)[1]), headers, reader, writer)


async def _refusal(response: Response) -> RuntimeFailure:
    text = b""
    async for piece in response.pieces():
        text += piece
        if len(text) > ERROR_BYTES_MAX:
            break
    await response.close()
    return failure(response.status, text)


def failure(status: int, text: bytes) -> RuntimeFailure:
    """The exception for the engine's refusal."""
    try:
        message = str(orjson.loads(text)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = text.decode(errors="replace").strip() or f"status {status}"
    return NotFound(message) if status == 404 else RuntimeFailure(message)
