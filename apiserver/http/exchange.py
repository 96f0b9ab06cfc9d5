"""One request as a handler may need it beyond its `RequestContext`: body, raw target, connection.

The body is read only when asked for, refused while reading when it grows too large, and must arrive
within a deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.audit.events import Body, Record
from apiserver.http.protocol import Connection
from apiserver.request import User
from wherry.api.errors import ApiError, status_error

BODY_BYTES_MAX = 3 * 1024 * 1024
BODY_SECONDS_MAX = 60.0

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class ClientGone(Exception):
    """The client went away before its request was whole; there is nobody to answer."""


def first_of_each(fields: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; of one that comes twice the first counts, as for every Go program before us."""
    return dict(reversed(fields))


@dataclass(slots=True)
class Exchange:
    """A request in progress.

    user:   who asks, once that is known
    record: what the audit notes of it; None when it is not audited
    audit_id: its name in answer, log and audit, once it has one
    received: bytes of its body, once that is read
    early:  its body, when that was read before its turn came
    keeps_body: whether it is kept as `early` when it is read: it may be asked for again
    answer_headers: what the answer tells beside its own headers
    """

    scope: Scope
    receive: Receive
    headers: Mapping[bytes, bytes]
    may_wait: bool = True  # for keys of an outside issuer; once
    user: User | None = None
    record: Record | None = None
    audit_id: bytes = b""
    received: int = 0
    early: bytes | None = None
    keeps_body: bool = False
    answer_headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def connection(self) -> Connection:
        found: Connection = self.scope["state"]["connection"]
        return found

    @property
    def raw_query(self) -> bytes:
        query: bytes = self.scope["query_string"]
        return query

    async def body(self) -> bytes:
        """The whole body, which the audit may want, too. Errors as `_read`."""
        whole = await self._read() if self.early is None else self.early
        if self.keeps_body:
            self.early = whole
        self.received = len(whole)
        record = self.record
        if record is not None and record.wants_request:
            content_type = self.headers.get(b"content-type", b"").decode("latin-1")
            record.request = Body(whole, content_type)
        return whole

    async def read_early(self) -> None:
        """Read the body now and keep it until it is asked for. Errors as `_read`."""
        if self.early is None:  # else an attempt before has read it
            self.early = await self._read()

    async def _read(self) -> bytes:
        """The whole body. ApiError 413 when it is too large, 408-like 504 when it does not come."""
        declared = self.headers.get(b"content-length")
        if declared is not None and int(declared) > BODY_BYTES_MAX:
            raise _too_large()
        message = await self.receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            whole: bytes = message["body"]
            if len(whole) > BODY_BYTES_MAX:
                raise _too_large()
            return whole
        return await self._rest(message)

    async def _rest(self, message: dict[str, Any]) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                while True:
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > BODY_BYTES_MAX:
                        raise _too_large()
                    if not message.get("more_body"):
                        return b"".join(parts)
                    message = await self.receive()
        except TimeoutError:
            raise status_error("Timeout", "the request's body did not arrive in time") from None


def _too_large() -> ApiError:
    message = f"Request entity too large: limit is {BODY_BYTES_MAX}"
    return status_error("RequestEntityTooLarge", message)
