"""The proxy's loop: something changed → compile → write the difference → forget stale flows.

Changes within a few milliseconds are taken together. A failure is tried again with back-off, then
with the full table. Every now and then the table, which others may have touched, is checked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from proxy.commands import CommandError
from proxy.compile import compile_ruleset
from proxy.conntrack import forget, stale_flows
from proxy.filter import Filter
from proxy.ruleset import Ruleset
from wherry.api.core_v1 import Node, Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.client.informer import Informer
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.02  # changes this close are one transaction
CHECK_SECONDS: Final = 15.0
UNHEALTHY_SECONDS: Final = 120.0  # a change that could not be written for so long


@dataclass(frozen=True, slots=True)
class World:
    """What the proxy follows."""

    services: Informer[Service]
    slices: Informer[EndpointSlice]
    nodes: Informer[Node]


class Metrics:
    """Upstream's names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "kubeproxy_sync_proxy_rules_duration_seconds", "Time to write a change",
            registry=registry, buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
        )  # fmt: skip
        self.last = Gauge(
            "kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When rules were last written",
            registry=registry,
        )  # fmt: skip
        self.failures = Counter(
            "kubeproxy_sync_proxy_rules_nftables_sync_failures", "Refused writes",
            registry=registry,
        )  # fmt: skip


class Syncer:
    """Owns the node's filter."""

    def __init__(
        self,
        world: World,
        node: str,
        cluster_cidrs: Iterable[str],
        *,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._world = world
        self._node = node
        self._cluster_cidrs = tuple(cluster_cidrs)
        self._metrics = metrics
        self._clock = clock
        self._filter = Filter(clock)
        self._changed = asyncio.Event()
        self._waiting_since: float | None = None
        self._known_problems: frozenset[str] = frozenset()
        for informer in (world.services, world.slices, world.nodes):
            informer.add_handler(self._notice)

    def _notice(self, before: Any, after: Any) -> None:
        if self._waiting_since is None:
            self._waiting_since = self._clock.monotonic()
        self._changed.set()

    def health(self) -> str | None:
        """What is wrong, for /healthz."""
        if self._filter.applied is None and self._waiting_since is None:
            return "no rules written yet"
        since = self._waiting_since
        if since is not None and self._clock.monotonic() - since > UNHEALTHY_SECONDS:
            return f"rules have been out of date for {self._clock.monotonic() - since:.0f} s"
        return None

    async def run(self) -> None:
        """Sync until cancelled."""
        for informer in (self._world.services, self._world.slices, self._world.nodes):
            await informer.synced()
        self._changed.set()
        backoff = Backoff(0.2, 2.0, 10.0, jitter=0.5)
        next_check = self._clock.monotonic()
        while True:
            if self._clock.monotonic() >= next_check:
                await self._check()
                next_check = self._clock.monotonic() + CHECK_SECONDS
            try:
                async with asyncio.timeout(max(next_check - self._clock.monotonic(), 0.0)):
                    await self._changed.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            if await self._sync():
                backoff.reset()
            else:
                self._changed.set()
                await asyncio.sleep(backoff.next())

    async def _sync(self) -> bool:
        """Bring the node to what the informers say; False when it must be tried again."""
        nodes = self._world.nodes.list()
        wanted = compile_ruleset(
            self._world.services.list(), self._world.slices.list(), self._node, self._ranges(nodes)
        )
        before = self._filter.applied
        with self._metrics.seconds.time():
            try:
                await self._filter.apply(wanted)
            except CommandError as error:
                self._metrics.failures.inc()
                log.warning("rules were refused, all of them are tried next: %s", error)
                return False
        await forget(stale_flows(before or Ruleset(), wanted))
        self._metrics.last.set(self._clock.now().timestamp())
        if not self._changed.is_set():
            self._waiting_since = None
        return True

    def _ranges(self, nodes: Iterable[Node]) -> tuple[str, ...]:
        """Where pods live: what we were told, else what the nodes have."""
        return self._cluster_cidrs or tuple(
            node.spec.pod_cidr for node in nodes if "." in node.spec.pod_cidr
        )

    async def _check(self) -> None:
        """Look after what others may have changed."""
        problems: set[str] = set()
        steps: tuple[Callable[[], Any], ...] = (self._filter.sweep, self._filter.check)
        for step in steps:
            try:
                await step()
            except CommandError as error:
                problems.add(str(error))
        if self._filter.applied is None:
            self._changed.set()
        for problem in problems - self._known_problems:
            log.warning("%s", problem)
        self._known_problems = frozenset(problems)
