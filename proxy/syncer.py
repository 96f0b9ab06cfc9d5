"""The proxy's loop: something changed → compile those parts → write the difference → forget flows.

Changes within a few milliseconds are taken together. A failure is tried again with back-off, then
for the whole table. When the packet filter was changed, and now and then, somebody's hand in our
table is looked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from proxy.commands import CommandError
from proxy.compile import Compiled
from proxy.conntrack import Flows
from proxy.endpoints import oddities
from proxy.family import FAMILIES, Family
from proxy.filter import Filter
from proxy.healthcheck import HealthChecks
from proxy.metrics import Metrics
from proxy.notices import listening
from proxy.ruleset import Clash, Part
from proxy.tracker import NODE_OWNER, Settings, Todo, Tracker, World
from wherry.api.core_v1.reference import ObjectReference
from wherry.client.events import EventRecorder
from wherry.client.store import split_key
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.02  # changes this close are one transaction
LOOK_SECONDS_MAX: Final = 30.0  # between two looks at what others may have changed
LOOK_SECONDS_MIN: Final = 2.0  # between two that changes, our own too, gave cause for
UNHEALTHY_SECONDS: Final = 120.0  # a change that could not be written for so long
POLICIES_SECONDS_MAX: Final = 10.0  # the first rules wait so long to know the policies
TOLD_MAX: Final = 10_000  # problems remembered as told
TRIGGERS_MAX: Final = (
    10_000  # changes whose way to the rules is timed, should writing fail for long
)
PARTS_PER_TURN: Final = 200  # compiled before other tasks get a turn
BEING_REMOVED: Final = "ToBeDeletedByClusterAutoscaler"


class Syncer:
    """Owns the node's tables."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        *,
        events: EventRecorder,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._world = world
        self._settings = settings
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._changed = asyncio.Event()
        self._policy_came = asyncio.Event()
        self._touched = False  # the packet filter was changed by somebody, or by us
        self._waiting_since: float | None = None
        self._updated: datetime | None = None
        self._told: dict[tuple[str, str], None] = {}
        self._filters = {family: Filter(family, clock) for family in FAMILIES}
        self._flows = {family: Flows(family) for family in FAMILIES}
        self._unserved: dict[Family, dict[str, tuple[str, ...]]] = {one: {} for one in FAMILIES}
        self._begun = clock.now()
        self._triggers: dict[str, deque[datetime]] = {}  # of what is not written yet
        self._lacking: set[Family] = set()  # the kernel refuses this family's first table
        self._tracker = Tracker(world, settings, self._notice)
        self._checks = HealthChecks(
            lambda: self.health() is None and self.eligible(),
            lambda key, words: self._tell(key, "FailedToStartServiceHealthcheck", words),
        )

    def _notice(self, kind: str) -> None:
        if self._waiting_since is None:
            self._waiting_since = self._clock.monotonic()
        now = self._clock.now().timestamp()
        for family in FAMILIES:
            self._metrics.queued.labels(family.slices).set(now)
        if kind in ("service", "endpoint"):
            self._metrics.came(kind)
        self._changed.set()

    # -- how it is

    @property
    def updated(self) -> datetime | None:
        """When rules were last written."""
        return self._updated

    def health(self) -> str | None:
        """What is wrong, for /healthz."""
        if self._updated is None:
            return "no rules written yet"
        since = self._waiting_since
        if since is not None and self._clock.monotonic() - since > UNHEALTHY_SECONDS:
            return f"rules have been out of date for {self._clock.monotonic() - since:.0f} s"
        return None

    def eligible(self) -> bool:
        """Whether load balancers may go on to use this node."""
        me = self._world.nodes.get("", self._settings.node)
        if me is None:
            return True
        leaving = me.metadata.deletion_timestamp is not None
        return not leaving and all(taint.key != BEING_REMOVED for taint in me.spec.taints)

    # -- the loop

    async def run(self) -> None:
        """Sync until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_pods())
            try:
                await self._loop()
            finally:
                await self._checks.close()

    async def _follow_pods(self) -> None:
        """Pods are many: they are followed from the first policy on."""
        await self._policy_came.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._world.pods.run())
            tasks.create_task(self._world.namespaces.run())

    async def _begin(self) -> None:
        """Wait until enough is known for the first rules, lest they open what was closed."""
        world = self._world
        for informer in (world.services, world.slices, world.nodes, world.service_cidrs):
            await informer.synced()
        try:
            async with asyncio.timeout(POLICIES_SECONDS_MAX):
                await world.policies.synced()
                if self._tracker.has_policies:
                    self._policy_came.set()
                    await world.pods.synced()
                    await world.namespaces.synced()
        except TimeoutError:
            log.warning("NetworkPolicies are not known yet: Services go first")

    async def _loop(self) -> None:
        await self._begin()
        self._changed.set()
        backoff = Backoff(0.2, 2.0, 10.0, jitter=0.5)
        looked = self._clock.monotonic()
        with listening(self._touch):
            while True:
                pause = LOOK_SECONDS_MIN if self._touched else LOOK_SECONDS_MAX
                left = looked + pause - self._clock.monotonic()
                if left <= 0:
                    self._touched = False
                    await self._look()
                    looked = self._clock.monotonic()
                    continue
                try:
                    async with asyncio.timeout(left):
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

    def _touch(self) -> None:
        if not self._touched:
            self._touched = True
            self._changed.set()

    async def _sync(self) -> bool:
        """Bring the node to what the informers say; False when it must be tried again."""
        todo = self._tracker.take()
        if self._tracker.has_policies:
            self._policy_came.set()
        for slices, moments in todo.triggers.items():
            fresh = [moment for moment in moments if moment > self._begun]
            self._triggers.setdefault(slices, deque(maxlen=TRIGGERS_MAX)).extend(fresh)
        done = True
        for family in FAMILIES:
            if family in self._lacking:
                continue
            try:
                await self._sync_family(family, todo)
            except CommandError as error:
                done = self._refused(family, error) and done
        await self._checks.update({key: self._tracker.local_checks(key) for key in todo.services})
        self._look_at(todo.services)
        if done:
            self._updated = self._clock.now()
            if not self._changed.is_set():
                self._waiting_since = None
                self._metrics.done()
        return done

    def _refused(self, family: Family, error: CommandError) -> bool:
        """Whether we can live with it: a kernel without address translation for IPv6."""
        self._metrics.failures.labels(family.slices).inc()
        if family.version == 6 and self._updated is None:
            self._lacking.add(family)
            log.warning("no IPv6 Services on this node: %s", error)
            return True
        log.warning("rules were refused, all of them are tried next: %s", error)
        return False

    async def _sync_family(self, family: Family, todo: Todo) -> None:
        kernel = self._filters[family]
        whole = not kernel.known
        if whole:
            todo = self._tracker.everything()
        begun = self._clock.monotonic()
        compiled, parts = await self._compile(family, todo)
        before = kernel.written
        clashes = await (kernel.apply_all(parts) if whole else kernel.apply(parts))
        self._metrics.bytes.inc(kernel.written - before)
        self._tell_clashes(clashes)
        self._measure(family, compiled, self._clock.monotonic() - begun, whole=whole)
        begun = self._clock.monotonic()
        flows = {key: one.udp for key, one in compiled.items()}
        forgotten = await self._flows[family].follow(flows, whole=whole)
        if forgotten is not None:
            taken = self._clock.monotonic() - begun
            self._metrics.flow_seconds.labels(family.slices).observe(taken)
            self._metrics.flows.labels(family.slices).inc(forgotten)

    def _measure(
        self, family: Family, compiled: Mapping[str, Compiled], seconds: float, *, whole: bool
    ) -> None:
        """Note that these Services are written."""
        name, metrics, now = family.slices, self._metrics, self._clock.now()
        metrics.seconds.labels(name).observe(seconds)
        (metrics.full if whole else metrics.partial).labels(name).observe(seconds)
        metrics.last.labels(name).set(now.timestamp())
        metrics.programmed(name, self._triggers.pop(name, ()), now)
        known = {} if whole else self._unserved[family]
        for key, one in compiled.items():
            known.pop(key, None)
            if one.unserved:
                known[key] = one.unserved
        self._unserved[family] = known
        metrics.count_unserved(name, known)

    async def _compile(
        self, family: Family, todo: Todo
    ) -> tuple[dict[str, Compiled], dict[str, Part]]:
        """Those Services, and everybody's parts."""
        compiled: dict[str, Compiled] = {}
        parts: dict[str, Part] = {}
        for number, key in enumerate(sorted(todo.services)):
            compiled[key] = self._tracker.service(key, family)
            parts[f"service {key}"] = compiled[key].part
            if number % PARTS_PER_TURN == PARTS_PER_TURN - 1:
                await asyncio.sleep(0)
        for number, key in enumerate(sorted(todo.pods)):
            parts[f"pod {key}"] = self._tracker.pod(key, family)
            if number % PARTS_PER_TURN == PARTS_PER_TURN - 1:
                await asyncio.sleep(0)
        if todo.node:
            parts[NODE_OWNER] = self._tracker.node(family)
        return compiled, parts

    async def _look(self) -> None:
        """Look after what others may have changed."""
        for family, kernel in self._filters.items():
            if family in self._lacking:
                continue
            try:
                if not await kernel.sweep():
                    self._metrics.cleanup_failures.labels(family.slices).inc()
                kernel.check()
            except CommandError as error:
                log.warning("%s", error)
            if not kernel.known:
                self._changed.set()

    # -- telling people

    def _look_at(self, services: Iterable[str]) -> None:
        """Say what of these Services' endpoints is of no use."""
        for key in services:
            for words in oddities(self._tracker.slices(key)):
                self._tell(key, "InvalidEndpoint", words)

    def _tell_clashes(self, clashes: Iterable[Clash]) -> None:
        for clash in clashes:
            kind, _, loser = clash.loser.partition(" ")
            if kind == "service":
                words = f"{clash.key} is served for {clash.winner}, which is older"
                self._tell(loser, "AddressInUse", words)

    def _tell(self, key: str, reason: str, words: str) -> None:
        """A Warning event on a Service and a line in the log, once."""
        if (key, words) in self._told:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.pop(next(iter(self._told)))
        self._told[key, words] = None
        log.warning("Service %s: %s", key, words)
        namespace, name = split_key(key)
        service = self._world.services.get(namespace, name)
        uid = service.metadata.uid if service else ""
        self._events.event(
            ObjectReference(kind="Service", api_version="v1", namespace=namespace, name=name, uid=uid),
            "Warning", reason, f"node {self._settings.node}: {words}",
        )  # fmt: skip
