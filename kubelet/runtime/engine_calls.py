"""Short calls of the engine's API, by asyncio, on connections that are kept open.

The SDK costs a thread and some milliseconds of our CPU per call; a pod takes a dozen of them. A
connection serves one call at a time; few run at once, as the engine does not get faster by more. A
kept connection that the engine has closed meanwhile is replaced unused.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import orjson

from kubelet.runtime.engine_http import HEAD_BYTES_MAX, Response, failure, read_head
from kubelet.runtime.protocol import RuntimeUnavailable

CALLS_MAX = 8
CALL_SECONDS_MAX = 120.0  # upstream's --runtime-request-timeout
PING_SECONDS_MAX = 10.0
_WITHOUT_BODY: Final = (204, 304)


class Called(Protocol):
    """Is told of every call's end: method, path and the seconds it took."""

    def __call__(self, method: str, path: str, seconds: float, /, *, failed: bool) -> None: ...


class EngineCalls:
    """Calls on the engine's socket that are over when their answer is read."""

    def __init__(
        self, socket_path: str, api_version: str, called: Called = lambda *call, failed: None
    ) -> None:
        self._called = called
        self._socket = socket_path
        self._prefix = f"/v{api_version}"
        self._slots = asyncio.Semaphore(CALLS_MAX)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def speak(self, api_version: str) -> None:
        """From now on."""
        self._prefix = f"/v{api_version}"

    async def call(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: Any = None,
        *, plain: bool = False,
    ) -> Any:  # fmt: skip
        """The answer's JSON, None when it has none; a refusal is raised with the engine's text.

        plain: without a version of the API, for what is asked before one is known
        """
        data = b"" if body is None else orjson.dumps(body)
        target = f"{'' if plain else self._prefix}{path}" + (
            f"?{urlencode(query)}" if query else ""
        )
        kind = "" if body is None else "Content-Type: application/json\r\n"
        head = f"{method} {target} HTTP/1.1\r\nHost: docker\r\n{kind}Content-Length: {len(data)}\r\n\r\n"
        status, begun = 0, asyncio.get_running_loop().time()
        try:
            async with self._slots, asyncio.timeout(CALL_SECONDS_MAX):
                status, text = await self._exchange(head.encode() + data)
        except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise RuntimeUnavailable(f"no answer from {self._socket}: {error!r}") from error
        finally:
            seconds = asyncio.get_running_loop().time() - begun
            self._called(method, path, seconds, failed=not 0 < status < 400)
        if status >= 400:
            raise failure(status, text)
        return orjson.loads(text) if text else None

    async def ping(self) -> None:
        """Whether the engine answers at all: never behind calls that wait for it."""
        request = f"GET {self._prefix}/_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
        try:
            async with asyncio.timeout(PING_SECONDS_MAX):
                await self._exchange(request.encode())
        except TimeoutError as error:
            raise RuntimeUnavailable(
                f"no answer from {self._socket} within {PING_SECONDS_MAX:g} s"
            ) from error
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise RuntimeUnavailable(f"no answer from {self._socket}: {error!r}") from error

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        reader, writer = await self._connection()
        try:
            writer.write(request)
            response = await read_head(reader, writer)
            text = b"" if response.status in _WITHOUT_BODY else await _body(response)
        except BaseException:
            writer.close()
            raise
        if response.headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return response.status, text

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_unix_connection(self._socket, limit=HEAD_BYTES_MAX)

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


async def _body(response: Response) -> bytes:
    """The whole body, to its very end: the connection is used again."""
    reader = response.reader
    if response.headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(response.headers.get("content-length", 0)))
    pieces = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue  # trailers
    return b"".join(pieces)
