"""The auditor: asks the policy, opens records, passes events on to the log and the webhook, counts.

The dispatcher has one only when there is a policy and somewhere to write to; without, a request pays
one comparison with None.

Source: k8s.io/apiserver/pkg/endpoints/filters/audit.go and authn_audit.go; pkg/audit/metrics.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.audit.drain import Drain, Event
from apiserver.audit.events import Record, event_of, utc_now
from apiserver.audit.policy import LEVELS, NONE, PolicyRules
from apiserver.request import RequestInfo, User
from wherry.api.errors import ApiError, status_error
from wherry.api.names import new_uid

AUDIT_ID_CHARACTERS_MAX = 64
FORWARDED_MAX = 16  # addresses of one X-Forwarded-For that are told

Headers = Mapping[bytes, bytes]
Scope = Mapping[str, Any]


class Auditor(Collector):
    """See the module. `strict` drains refuse requests while they fail (blocking-strict)."""

    def __init__(
        self, rules: PolicyRules, drains: Sequence[Drain], strict: Sequence[Drain] = ()
    ) -> None:
        self._rules = rules
        self._drains = tuple(drains)
        self._strict = tuple(strict)
        self._levels = [0] * len(LEVELS)
        self._events = 0
        self._rejected = 0

    def start(self) -> None:
        for drain in self._drains:
            drain.start()

    async def close(self) -> None:
        """Write what waits; bounded by each drain's deadline."""
        async with asyncio.TaskGroup() as group:
            for drain in self._drains:
                group.create_task(asyncio.to_thread(drain.close))

    def begin(
        self, scope: Scope, headers: Headers, info: RequestInfo, user: User, now: datetime
    ) -> Record | None:
        """The record of a request that the policy wants; its first stage is emitted here.

        ApiError 500 when an audit that must not be missed (blocking-strict) can't be written.
        """
        record = self._record(scope, headers, info, user, now)
        if record is not None:
            if any(drain.failing for drain in self._strict):
                self._rejected += 1
                message = "Internal error occurred: failed to store audit event"
                raise status_error("InternalError", message)
            record.received()
        return record

    def note(
        self, scope: Scope, headers: Headers, info: RequestInfo, user: User, now: datetime
    ) -> Record | None:
        """As `begin`, for a request that is refused anyway."""
        record = self._record(scope, headers, info, user, now)
        if record is not None:
            record.received()
        return record

    def refused(
        self, scope: Scope, headers: Headers, error: ApiError, now: datetime, certified: bool
    ) -> None:
        """A request whose user could not be told: what it tried is noted, never the credential."""
        info = RequestInfo(scope["method"].lower(), scope["path"])
        record = self._record(scope, headers, info, None, now)
        if record is not None:
            record.refused(error.code, _attempted(headers, certified))

    def _record(
        self,
        scope: Scope,
        headers: Headers,
        info: RequestInfo,
        user: User | None,
        now: datetime,
    ) -> Record | None:
        decision = self._rules.decide(info, user or User(""))
        self._levels[decision.level] += 1
        if decision.level == NONE:
            return None
        given = headers.get(b"audit-id", b"")[:AUDIT_ID_CHARACTERS_MAX].decode("latin-1")
        query = scope["query_string"]
        target = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
        event = event_of(
            decision,
            info,
            user,
            audit_id=given or new_uid(),
            uri=target.decode("latin-1"),
            sources=_sources(scope, headers),
            agent=headers.get(b"user-agent", b"").decode("latin-1"),
            now=now,
        )
        return Record(decision, event, self._emit, utc_now)

    def _emit(self, event: Event) -> None:
        self._events += 1
        for drain in self._drains:
            drain.offer(event)

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "apiserver_audit_event", "Audit events made and handed to a backend.", self._events
        )
        lost = CounterMetricFamily(
            "apiserver_audit_error", "Audit events that were lost, by backend.", labels=("plugin",)
        )
        for drain in self._drains:
            lost.add_metric([drain.plugin], drain.lost)
        yield lost
        levels = CounterMetricFamily(
            "apiserver_audit_level", "Requests by their policy level.", labels=("level",)
        )
        for level, count in zip(LEVELS, self._levels, strict=True):
            levels.add_metric([level], count)
        yield levels
        yield CounterMetricFamily(
            "apiserver_audit_requests_rejected",
            "Requests refused because the audit could not be written (blocking-strict).",
            self._rejected,
        )

    def register(self, registry: CollectorRegistry) -> None:
        registry.register(self)


def _sources(scope: Scope, headers: Headers) -> list[str]:
    """Who asked, the first hop first: the addresses that proxies say, then the peer's own."""
    found: list[str] = []
    forwarded = headers.get(b"x-forwarded-for")
    if forwarded:
        parts = forwarded.decode("latin-1").split(",")[:FORWARDED_MAX]
        found = [address for part in parts if (address := _address(part))]
    if real := headers.get(b"x-real-ip"):
        address = _address(real.decode("latin-1"))
        if address and address not in found:
            found.append(address)
    client = scope.get("client")
    if client and client[0] not in found[-1:]:
        found.append(client[0])
    return found


def _address(text: str) -> str:
    """The address a header says; "" when that is none."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return ""


def _attempted(headers: Headers, certified: bool) -> str:
    scheme = headers.get(b"authorization", b"").strip().partition(b" ")[0].lower()
    tried = [name for name in ("basic", "bearer") if scheme == name.encode()]
    if certified:
        tried.append("x509")
    if tried:
        return f"Authentication failed, attempted: {', '.join(tried)}"
    return "Authentication failed, no credentials provided"
