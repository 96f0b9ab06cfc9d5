"""Requests without types: head, token, retries, errors. What `Client` adds verbs and models to.

Refusals are `ApiError` (the server's Status), silence is `ApiUnavailable`; nothing else leaves.
Requests that the server asks to repeat (429 or 5xx with Retry-After) are repeated a few times
within the call's timeout; nothing else is retried here, for only the caller knows what it means.

Source of the retry rule: k8s.io/client-go/rest.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from wherry.client.decode import decode_error
from wherry.client.kubeconfig import ClientConfig
from wherry.client.tls import ClientTls
from wherry.client.transport import ApiUnavailable, Pool, Response, StreamResponse

JSON = "application/json"
TOKEN_SECONDS_MAX = 60.0  # a rotated token file is noticed within this time
RETRIES_MAX = 5
RETRY_SECONDS_MAX = 10.0
Params = Mapping[str, str]
Tell = Callable[[str, int | None, float], None]  # method, status (None: no answer), seconds


class RawClient:
    """Connections to one API server, in one name."""

    def __init__(
        self, config: ClientConfig, *, user_agent: str = "wherry", timeout: float = 30.0
    ) -> None:
        self.config = config
        self.timeout = timeout
        self._pool = Pool(config.server, ClientTls(config), server_name=config.server_name)
        self._user_agent = config.user_agent or user_agent
        self._token = config.token
        self._token_read = -TOKEN_SECONDS_MAX
        self._tell: Tell | None = None

    @property
    def host(self) -> str:
        return self._pool.authority

    def measure(self, tell: Tell) -> None:
        """Call `tell` after every request from now on."""
        self._tell = tell

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Mapping[str, Any] | None = None,
        content_type: str | None = None,
        params: Params | None = None,
        accept: str | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Any request; a refusal raises ApiError, every 2xx is returned."""
        data = body if isinstance(body, bytes) or body is None else encode(body)
        return await self.send(
            method, path, params, body=data or b"", content_type=content_type or JSON,
            accept=accept or JSON, timeout=timeout,
        )  # fmt: skip

    def stream(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes = b"",
        accept: str = JSON,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[StreamResponse]:
        """A request whose answer is read as it comes; a refusal raises ApiError."""
        return self._open(method, path, params, body, accept, timeout or self.timeout)

    # -- inside

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: bytes,
        accept: str,
        timeout: float,
    ) -> AsyncIterator[StreamResponse]:
        head = self._head(method, path, params, len(body), JSON, accept)
        async with self._pool.stream(head, body, timeout) as response:
            if response.status >= 300:
                async with asyncio.timeout(timeout):
                    answer = await response.read()
                raise decode_error(response.status, answer, response.headers.get("retry-after", ""))
            yield response

    async def send(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        *,
        body: bytes = b"",
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float | None = None,
    ) -> Response:
        """Like `request`, for bodies that are encoded already."""
        head = self._head(method, path, params, len(body), content_type, accept)
        left = timeout or self.timeout
        end = time.monotonic() + left
        for attempt in range(RETRIES_MAX + 1):
            started = time.monotonic()
            status: int | None = None
            try:
                response = await self._pool.request(method, head, body, left)
                status = response.status
            finally:
                if self._tell is not None:
                    self._tell(method, status, time.monotonic() - started)
            if response.status < 300:
                return response
            retry_after = response.headers.get("retry-after", "")
            wait = _retry_seconds(response.status, retry_after)
            left = end - time.monotonic() - (wait or 0.0)
            if wait is None or attempt == RETRIES_MAX or left <= 0:
                break
            await asyncio.sleep(wait)
        raise decode_error(response.status, response.body, retry_after)

    def _head(
        self,
        method: str,
        path: str,
        params: Params | None,
        length: int,
        content_type: str,
        accept: str,
    ) -> bytes:
        target = self._pool.prefix + path + (f"?{urlencode(params)}" if params else "")
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {self._pool.authority}",
            f"User-Agent: {self._user_agent}",
            f"Accept: {accept}",
        ]
        token = self._bearer()
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if length or method in ("POST", "PUT", "PATCH"):
            lines += [f"Content-Type: {content_type}", f"Content-Length: {length}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _bearer(self) -> str:
        file = self.config.token_file
        if file and time.monotonic() - self._token_read >= TOKEN_SECONDS_MAX:
            try:
                self._token = Path(file).read_text().strip()
            except OSError as error:
                raise ApiUnavailable(f"cannot read token file {file}: {error.strerror}") from error
            self._token_read = time.monotonic()
        return self._token


def encode(tree: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """A tree as compact JSON."""
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()


def _retry_seconds(status: int, retry_after: str) -> float | None:
    """How long the server asks us to wait before saying it again; None: it does not ask."""
    if (status == 429 or status >= 500) and retry_after.isdigit():
        return min(float(retry_after), RETRY_SECONDS_MAX)
    return None
