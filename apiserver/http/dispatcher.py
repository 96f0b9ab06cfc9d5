"""The way of a request below /api and /apis: one ASGI callable, mounted on the application.

Authenticate, understand the path, authorize, hand over to discovery, a subresource's endpoint or the
resource handlers, render what comes back. It works on the bare ASGI scope: this is every `get` and
every watch, and request objects of a framework would cost as much as all the rest.

Source: the filter chain of k8s.io/apiserver/pkg/server/config.go.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from apiserver.accept import PLAIN
from apiserver.audit.auditor import Auditor
from apiserver.authn.authenticator import KeysWanted
from apiserver.authz.webhook import DecisionWanted, decided
from apiserver.http import auditing
from apiserver.http.exchange import ClientGone, Exchange, Receive, Scope, Send, first_of_each
from apiserver.http.fair import InFlight, Turns
from apiserver.http.gate import Gate
from apiserver.http.messages import Messages
from apiserver.http.metrics import MUTATING, NON_RESOURCE, RequestMetrics, key_of
from apiserver.http.relay import Relay
from apiserver.http.request_info import (
    no_such_path,
    parse_query,
    parse_resource,
    proxied,
    split_path,
)
from apiserver.http.respond import Responder, error_response, head_of
from apiserver.http.tunnel import Tunnel
from apiserver.http.unserved import asked_in_vain
from apiserver.http.writing import restyled, wanted_style
from apiserver.request import RequestContext, RequestInfo, Response
from wherry.api.errors import ApiError, status_error
from wherry.api.names import new_uid

log = logging.getLogger(__name__)

Answer = Response | Relay | Tunnel | Messages
Endpoint = Callable[[RequestContext, Exchange], Awaitable[Answer]]
LONG_RUNNING = frozenset({"log", "exec", "attach", "portforward", "proxy"})
AUDIT_ID_CHARACTERS_MAX = 64
SLOW_SECONDS = 1.0  # a request that takes longer gets a line in the log


class Handlers(Protocol):
    """Answers for stored resources (`handlers/`)."""

    async def handle(
        self, ctx: RequestContext, receive_body: Callable[[], Awaitable[bytes]]
    ) -> Response: ...


class Discovery(Protocol):
    """Answers for /api, /apis and what lies above resources."""

    def answer(self, segments: list[str], ctx: RequestContext, if_none_match: str) -> Response: ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where requests go."""

    gate: Gate
    handlers: Handlers
    discovery: Discovery
    # By (group, plural, subresource); the subresource is "" for kinds that are not stored.
    endpoints: Mapping[tuple[str, str, str], Endpoint]
    auditor: Auditor | None = None  # nothing is audited
    turns: Turns | InFlight | None = None  # nothing is limited


class Dispatcher:
    """See the module."""

    def __init__(self, rooms: Rooms, responder: Responder, metrics: RequestMetrics) -> None:
        self._rooms = rooms
        self._responder = responder
        self._metrics = metrics
        self.auditor = rooms.auditor
        self.turns = rooms.turns
        self._tells_all = log.isEnabledFor(logging.DEBUG)
        self._keeps_bodies = rooms.gate.may_wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        exchange = Exchange(
            scope, receive, first_of_each(scope["headers"]), keeps_body=self._keeps_bodies
        )
        try:
            ctx, answer = await self._attempt(exchange)
        except DecisionWanted as wanted:
            ctx, answer = await self._decided(exchange, wanted)
        if answer is None:
            return
        info = ctx.info if ctx is not None else None
        live = _is_live(info)
        key = key_of(info) if info is not None else NON_RESOURCE
        record = exchange.record
        if record is not None:
            exchange.audit_id = record.audit_id.encode("latin-1")
            auditing.answered(record, answer, answer.status, live)
        audit_id = exchange.audit_id or _audit_id(exchange)
        size = 0
        if live:
            self._metrics.streaming(key, +1)
        try:
            if isinstance(answer, Tunnel | Messages):
                await answer.run(exchange.connection)
            elif isinstance(answer, Relay):
                await self._responder.relay(exchange, send, answer, audit_id)
            else:
                size = await self._write(exchange, send, answer, ctx, audit_id)
        finally:
            if live:
                self._metrics.streaming(key, -1)
            if record is not None:
                record.complete(answer.status)
            dry_run = ctx is not None and ctx.dry_run
            seconds = time.monotonic() - started
            self._metrics.count(key, answer.status, dry_run, seconds, size)
            if exchange.received:
                self._metrics.received(key, exchange.received)
            if self._tells_all or (seconds > SLOW_SECONDS and not live):
                _tell(exchange, ctx, answer.status, seconds, audit_id)

    async def _write(
        self,
        exchange: Exchange,
        send: Send,
        answer: Response,
        ctx: RequestContext | None,
        audit_id: bytes,
    ) -> int:
        """Write the answer as the client wants it written; its size, 0 of a stream."""
        warnings: list[str] = []
        live = False
        if ctx is not None:
            warnings, live = ctx.warnings, _is_live(ctx.info)
            if not live and (style := wanted_style(ctx)) != PLAIN:
                answer = await restyled(answer, style)
        headers = head_of(answer, audit_id, warnings)
        headers += exchange.answer_headers
        await self._responder.write(exchange, send, answer, headers, live)
        return len(answer.body) if isinstance(answer.body, bytes) else 0

    async def _decided(
        self, exchange: Exchange, wanted: DecisionWanted
    ) -> tuple[RequestContext | None, Answer | None]:
        """The same, once webhooks have said what it takes to know."""
        try:
            return await decided(wanted, partial(self._attempt, exchange))
        except ApiError as error:
            if self.auditor is not None:
                auditing.refused(self.auditor, exchange, error)
            return None, error_response(error)

    async def _attempt(self, exchange: Exchange) -> tuple[RequestContext | None, Answer | None]:
        """What is known of the request, and the answer; none when the client has gone.

        DecisionWanted when it takes an answer that is not there yet.
        """
        ctx: RequestContext | None = None
        try:
            ctx, segments = self._understand(exchange)
            turns = self.turns
            if turns is None or ctx.info.subresource in LONG_RUNNING:
                return ctx, await self._answer(ctx, exchange, segments)
            answer = partial(self._answer, ctx, exchange, segments)
            return ctx, await turns.take(ctx, exchange, answer)
        except ApiError as error:
            if self.auditor is not None:
                auditing.refused(self.auditor, exchange, error)
            return ctx, error_response(error)
        except KeysWanted as wanted:
            exchange.may_wait = False
            await wanted.wait()
            return await self._attempt(exchange)
        except DecisionWanted:
            raise
        except ClientGone:
            if exchange.record is not None:
                exchange.record.closed_early()
            return ctx, None
        except Exception as error:  # a bug of ours must be an answer too, and a line in the log
            record, exchange.record = exchange.record, None
            exchange.audit_id = _audit_id(exchange)
            if record is not None:
                exchange.audit_id = record.audit_id.encode("latin-1")
                record.panicked(error)
            log.exception("%s failed", _named(exchange.scope, exchange.audit_id))
            return ctx, error_response(_internal_error())

    def _understand(self, exchange: Exchange) -> tuple[RequestContext, list[str]]:
        """The request's context; and the path's segments when it is not a resource's."""
        now = datetime.now(UTC)
        scope, headers = exchange.scope, exchange.headers
        gate = self._rooms.gate
        asking = exchange.user = gate.user(exchange, now)
        cut = proxied(scope["raw_path"])
        segments = split_path(scope["raw_path"] if cut is None else cut[0])
        query = parse_query(scope["query_string"])
        path: str = scope["path"]
        method: str = scope["method"]
        if len(segments) > (2 if segments[0] == "api" else 3):
            try:
                info = parse_resource(method, path, segments, query)
            except ApiError:
                # Who may not ask for it does not learn whether it is there.
                asked = asked_in_vain(method, segments, query, asking)
                user = gate.impersonated(exchange, asking, asked) or asking
                gate.check(asked._replace(user=user))
                raise
            segments = []
        else:
            info = RequestInfo(method.lower(), path)
        record = None
        if self.auditor is not None:
            record = exchange.record  # of an attempt before
            if record is None:
                record = self.auditor.begin(scope, headers, info, asking, now)
                exchange.record = record
        acting_as = gate.impersonated(exchange, asking, info)
        user = asking if acting_as is None else acting_as
        if record is None:
            gate.authorize(info, user)
        else:
            if acting_as is not None:
                record.impersonate(acting_as)
            gate.authorize(info, user, record.annotations)
        ctx = RequestContext(
            info=info,
            user=user,
            query=query,
            accept=headers.get(b"accept", b"").decode("latin-1"),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
            now=now,
            impersonator=None if acting_as is None else asking,
        )
        if record is not None:
            ctx.audit_annotations = record.annotations
        return ctx, segments

    async def _answer(self, ctx: RequestContext, exchange: Exchange, segments: list[str]) -> Answer:
        info = ctx.info
        if info.resource is None:
            if info.verb not in ("get", "head"):
                raise no_such_path()
            etag = exchange.headers.get(b"if-none-match", b"").decode("latin-1")
            return self._rooms.discovery.answer(segments, ctx, etag)
        resource = info.resource
        endpoint = self._rooms.endpoints.get((resource.group, resource.plural, info.subresource))
        if info.verb == "watch" or endpoint is not None:
            if endpoint is None:
                return await self._rooms.handlers.handle(ctx, exchange.body)
            return await endpoint(ctx, exchange)
        if info.verb in MUTATING:
            self._metrics.inflight_mutating += 1
            try:
                return await self._rooms.handlers.handle(ctx, exchange.body)
            finally:
                self._metrics.inflight_mutating -= 1
        self._metrics.inflight_reading += 1
        try:
            return await self._rooms.handlers.handle(ctx, exchange.body)
        finally:
            self._metrics.inflight_reading -= 1


def _is_live(info: RequestInfo | None) -> bool:
    """Whether the answer goes on for as long as the client likes."""
    return info is not None and (info.verb == "watch" or info.subresource in LONG_RUNNING)


def _audit_id(exchange: Exchange) -> bytes:
    """What the client calls its request, or a new name for it."""
    return exchange.headers.get(b"audit-id", b"")[:AUDIT_ID_CHARACTERS_MAX] or new_uid().encode()


def _named(scope: Scope, audit_id: bytes) -> str:
    """A request as log lines name it."""
    query = scope["query_string"].decode("latin-1")
    target = f"{scope['path']}?{query}" if query else scope["path"]
    return f"{scope['method']} {target!r} audit-ID={audit_id.decode('latin-1')!r}"


def _tell(
    exchange: Exchange, ctx: RequestContext | None, status: int, seconds: float, audit_id: bytes
) -> None:
    user, agent = (ctx.user.name, ctx.user_agent) if ctx is not None else ("", "")
    client = (exchange.scope.get("client") or ("",))[0]
    log.log(
        logging.INFO if seconds > SLOW_SECONDS else logging.DEBUG,
        "%s user=%r agent=%r client=%s resp=%d latency=%.1fms",
        _named(exchange.scope, audit_id), user, agent, client, status, seconds * 1000,
    )  # fmt: skip


def _internal_error() -> ApiError:
    return status_error("InternalError", "Internal error occurred: see the API server's log")
