"""Where requests meet the audit: what the dispatcher and the pages tell a request's record.

With no audit nothing here is called. What is recorded, and how, is `apiserver/audit`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from apiserver.audit.auditor import Auditor
from apiserver.audit.events import Body, Record
from apiserver.fairness.fairness import Place
from apiserver.http.exchange import Exchange, Receive, Scope, Send
from apiserver.http.gate import Gate
from apiserver.request import RequestInfo, Response, User
from wherry.api.errors import ApiError

COLLECTED_BYTES_MAX = 16 * 1024 * 1024  # of a streamed answer at level RequestResponse
RECORD, PLACE = "audit", "place"  # where a page's scope["state"] has them


def refused(auditor: Auditor, exchange: Exchange, error: ApiError) -> None:
    """A request was refused, perhaps before there was a record of it."""
    if exchange.record is None:
        scope, now = exchange.scope, datetime.now(UTC)
        if exchange.user is None:
            auditor.refused(scope, exchange.headers, error, now, _has_certificate(exchange))
            return
        # A path that names nothing is told as the path that it is.
        info = RequestInfo(scope["method"].lower(), scope["path"])
        exchange.record = auditor.note(scope, exchange.headers, info, exchange.user, now)
    if exchange.record is not None:
        exchange.record.said = error.status


def answered(record: Record, answer: object, status: int, live: bool) -> None:
    """The answer is there; it is not yet written."""
    if isinstance(answer, Response):
        if isinstance(answer.body, bytes):
            record.answered(answer.body)
        elif record.wants_response and not live:
            answer.body = _collected(record, answer.body)
    if live and record.said is None:
        record.started(status)


async def _collected(record: Record, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same stream; what went by is the record's when it has ended, unless it is huge."""
    kept: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size <= COLLECTED_BYTES_MAX:
            kept.append(chunk)
        else:
            kept.clear()
        yield chunk
    if size <= COLLECTED_BYTES_MAX:
        record.response = Body(b"".join(kept), "application/json")


def admit(gate: Gate, auditor: Auditor | None, exchange: Exchange, info: RequestInfo) -> User:
    """The way of a page's request: who asks, as whom, may they; the user. ApiError 401, 403."""
    now = datetime.now(UTC)
    try:
        asking = exchange.user = gate.user(exchange, now)
        record = None
        if auditor is not None:
            record = exchange.record  # of an attempt before
            if record is None:
                record = auditor.begin(exchange.scope, exchange.headers, info, asking, now)
                exchange.record = exchange.scope["state"][RECORD] = record
        acting_as = gate.impersonated(exchange, asking, info)
        if record is not None and acting_as is not None:
            record.impersonate(acting_as)
        user = acting_as or asking
        gate.authorize(info, user, None if record is None else record.annotations)
    except ApiError as error:
        if auditor is not None:
            refused(auditor, exchange, error)
        raise
    return user


class AuditedPages:
    """An ASGI application whose requests' records are ended with the status it answered.

    Their places in the queues of fairness are left then, too.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def noting(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                record: Record | None = scope["state"].get(RECORD)
                if record is not None:
                    told = (b"audit-id", record.audit_id.encode("latin-1"))
                    message = {**message, "headers": [told, *message["headers"]]}
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            state = scope.get("state", {})
            place: Place | None = state.get(PLACE)
            if place is not None:
                place.leave()
            record: Record | None = state.get(RECORD)
            if record is not None:
                if status:
                    record.complete(status)
                else:
                    record.closed_early()


def _has_certificate(exchange: Exchange) -> bool:
    tls = exchange.connection.tls
    return tls is not None and bool(tls.getpeercert(binary_form=True))
