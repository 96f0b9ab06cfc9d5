"""Looks at all nodes every few seconds, and keeps their taints.

Heartbeats are listened to from the start, also while standing by, so that a new leader need not begin
its grace anew. Before a node is called silent, its Lease is read from the server itself: a cache whose
watch hangs must not cost anybody's pods. When the server did not answer, or we ourselves stood still,
every node gets a full grace again, for their heartbeats could not arrive either.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TypeVar

from controller_manager.context import Context, keys_of
from controller_manager.informers import BY_NODE, NODE_LEASES
from controller_manager.metrics import NodeMetrics
from controller_manager.nodelifecycle import fenced, health, plan, zones
from controller_manager.nodelifecycle.health import Grace, Health
from controller_manager.nodelifecycle.limiter import Limiter
from controller_manager.nodelifecycle.zones import Disruption, Rates
from controller_manager.plan import Plan
from controller_manager.podgc.plan import Doomed, force_out
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Node
from wherry.api.errors import ApiError
from wherry.client.transport import ApiUnavailable
from wherry.client.workqueue import WorkQueue

log = logging.getLogger(__name__)

K = TypeVar("K", Node, Lease)

WORKERS = 8
CALLS_MAX = 16  # under way at once
PROBE_SECONDS_MAX = 5.0
STILL_FACTOR = 0.5  # of the grace: a pause of ours that long counts as our own silence
HICCUP_SECONDS = 1.0  # a busy server's answer may take that long: Leases come through all the same
LOOK_SECONDS_MIN = 0.05
LATE_SECONDS = 0.2  # until it is asked again whether all the others are late, too


class NodeLifecycleController:
    """One periodic look at all nodes, one queue of nodes whose taints may be wrong."""

    def __init__(self, context: Context) -> None:
        options = context.options
        self._context = context
        self._executor = context.executor("node-controller")
        self._recorder = context.recorder("node-controller")
        self._nodes = context.informers.nodes
        self._leases = context.informers.node_leases
        self._pods = context.informers.pods
        self._grace = Grace(options.node_monitor_grace_period, options.node_startup_grace_period)
        self._rates = Rates(
            options.node_eviction_rate,
            options.secondary_node_eviction_rate,
            options.large_cluster_size_threshold,
            options.unhealthy_zone_threshold,
        )
        self._health: dict[str, Health] = {}  # by node
        self._known: dict[str, Node] = {}
        self._limiters: dict[str, Limiter] = {}  # by zone
        self._metrics = NodeMetrics(context.registry)
        self._states: dict[str, Disruption] = {}  # by zone, as last judged
        self._disrupted = False
        self._answered_at: float | None = None  # monotonic: when the server last answered
        self._leading = False
        self._queue: WorkQueue[str] = WorkQueue("node_lifecycle")
        self._nodes.add_handler(self._on_node)
        self._leases.add_handler(self._on_lease)

    async def stand_by(self) -> None:
        """Listen, also when others lead: whether the server answers is what silence is held against."""
        while True:
            if not self._leading:
                try:
                    await self._probe()
                except (ApiError, ApiUnavailable) as error:
                    log.debug("the server does not answer: %s", error)
            await self._context.clock.sleep(self._context.options.node_monitor_period)

    async def run(self) -> None:
        self._leading = True
        work = self._context.work(
            "node_lifecycle", self._reconcile, self._queue, WORKERS, keys_of(self._nodes)
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_health(), name="node-health")
                tasks.create_task(work, name="node-taints")
        finally:
            self._leading = False

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        if after is not None:
            self._queue.add(after.metadata.name)
            self._hear(after.metadata.name, after, None)
        elif before is not None:
            self._health.pop(before.metadata.name, None)

    def _on_lease(self, before: Lease | None, after: Lease | None) -> None:
        if after is not None and after.metadata.name in self._health:
            self._hear(after.metadata.name, None, after)

    def _hear(self, name: str, node: Node | None, lease: Lease | None) -> None:
        now = self._context.clock.monotonic()
        self._health[name] = health.heard(self._health.get(name), node, lease, now)

    # -- silence

    async def _watch_health(self) -> None:
        while True:
            try:
                await self._probe()
                await self._look()
            except (ApiError, ApiUnavailable) as error:
                log.warning("nodes are not judged while the server does not answer: %s", error)
                self._answered_at = None
            await self._context.clock.sleep(self._until_next_look())

    def _until_next_look(self) -> float:
        """Until the next node that may fall silent, or for the usual period."""
        now = self._context.clock.monotonic()
        moments = [
            health.silent_from(node, known, self._grace) - now
            for node in self._nodes.list()
            if (known := self._health.get(node.metadata.name)) is not None
        ]
        fresh = [one for one in moments if one >= 0]
        usual: float = self._context.options.node_monitor_period
        return max(LOOK_SECONDS_MIN, min([usual, *(one + LOOK_SECONDS_MIN for one in fresh)]))

    async def _probe(self) -> None:
        """Ask whether the server answers; time in which it did not is nobody's silence."""
        clock = self._context.clock
        try:
            await self._context.client.request("GET", "/readyz", timeout=PROBE_SECONDS_MAX)
        except (ApiError, ApiUnavailable):
            self._answered_at = None
            raise
        now, usual = clock.monotonic(), self._context.options.node_monitor_period
        gap = None if self._answered_at is None else now - self._answered_at
        if gap is None or gap > usual + self._grace.running * STILL_FACTOR:
            self._forgive_all()
        elif gap > usual + HICCUP_SECONDS:
            self._health = {
                name: health.excuse(one, gap - usual, now) for name, one in self._health.items()
            }
        self._answered_at = now

    async def _look(self) -> None:
        clock = self._context.clock
        nodes = {node.metadata.name: node for node in self._nodes.list()}
        self._tell_changes(nodes)
        for name, node in nodes.items():
            self._hear(name, node, self._leases.get(NODE_LEASES, name))
        silent = [n for n in nodes.values() if self._is_silent(n)]
        plans = []
        for name, fresh in await self._silent_indeed(silent):
            nodes[name], written = plan.plan_silence(fresh, clock.now())
            plans.append(written)
        await self._execute_all(plans)
        self._judge_zones(nodes)
        not_ready = [n for n, node in nodes.items() if health.ready_status(node) != "True"]
        for name in not_ready:
            self._queue.add(name)
        await self._execute_all(
            plan.plan_pods_not_ready(self._pods.by_index(BY_NODE, name), clock.now())
            for name in not_ready
        )
        for name in not_ready:
            await self._free_fenced(name)

    async def _free_fenced(self, name: str) -> None:
        """Give up the pods that a node which fences itself must have stopped by now."""
        clock = self._context.clock
        on_node = [pod for pod in self._pods.by_index(BY_NODE, name) if fenced.concerns(pod)]
        known, after = self._health.get(name), fenced.promise(self._leases.get(NODE_LEASES, name))
        if known is None or after is None:
            return
        if not fenced.dead(on_node, after, known.lease_at, clock.monotonic()):
            return
        lease = await self._read(Lease, name, NODE_LEASES)
        self._hear(name, None, lease)
        after = fenced.promise(lease)
        if after is None:
            return
        doomed = fenced.dead(on_node, after, self._health[name].lease_at, clock.monotonic())
        for pod in doomed:
            log.info("pod %s/%s: %s", pod.metadata.namespace, pod.metadata.name, fenced.MESSAGE)
        now = clock.now()
        await self._execute_all(
            Plan(tuple(force_out(Doomed(pod, fenced.MESSAGE, orphaned=True), now)))
            for pod in doomed
        )

    async def _execute_all(self, plans: Iterable[Plan]) -> None:
        """Each on its own: what is refused for one node must not keep the others unseen."""
        free = asyncio.Semaphore(CALLS_MAX)

        async def one(written: Plan) -> None:
            async with free:
                try:
                    await self._executor.execute(written.actions)
                except ApiError as error:
                    log.warning("node health: %s", error)

        await asyncio.gather(*(one(written) for written in plans if written.actions))

    def _forgive_all(self) -> None:
        now = self._context.clock.monotonic()
        self._health = {name: health.forgive(one, now) for name, one in self._health.items()}

    def _is_silent(self, node: Node) -> bool:
        known = self._health.get(node.metadata.name)
        now = self._context.clock.monotonic()
        return known is not None and health.is_silent(node, known, self._grace, now)

    async def _silent_indeed(self, suspects: list[Node]) -> list[tuple[str, Node]]:
        """Those that are silent also when the server itself is asked; with their present state."""
        free = asyncio.Semaphore(CALLS_MAX)

        async def look(suspect: Node) -> tuple[str, Node] | None:
            name = suspect.metadata.name
            async with free:
                node = await self._read(Node, name, "")
                lease = await self._read(Lease, name, NODE_LEASES)
            if node is None:
                return None
            self._hear(name, node, lease)
            return (name, node) if self._is_silent(node) else None

        fresh = [s for s in suspects if health.unknown_conditions(s, self._context.clock.now())]
        found = await asyncio.gather(*(look(suspect) for suspect in fresh))
        return [one for one in found if one is not None]

    async def _read(self, kind: type[K], name: str, namespace: str) -> K | None:
        try:
            return await self._context.client.get(kind, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def _tell_changes(self, nodes: dict[str, Node]) -> None:
        for name, node in nodes.items():
            if name not in self._known:
                message = f"Node {name} event: Registered Node {name} in Controller"
                self._recorder.event(node, "Normal", "RegisteredNode", message)
        for name, node in self._known.items():
            if name not in nodes:
                message = f"Node {name} event: Removing Node {name} from Controller"
                self._recorder.event(node, "Normal", "RemovingNode", message)
        self._known = nodes.copy()

    # -- how many at once

    def _judge_zones(self, nodes: dict[str, Node]) -> None:
        """See whether all nodes are silent, which stops all evictions, or no longer; tell of changes."""
        by_zone = zones.by_zone(nodes.values())
        self._metrics.zones(by_zone)
        states = zones.judge(by_zone, self._rates.unhealthy_share)
        disrupted = zones.is_full_everywhere(states)
        if disrupted != self._disrupted:
            log.warning(
                "no node is ready: nobody is evicted" if disrupted else "some node is ready again"
            )
            self._disrupted = disrupted
            self._forgive_all()
            for name in nodes:
                self._queue.add(name)
        for zone, state in states.items():
            if state is not self._states.get(zone, Disruption.NONE):
                log.info("zone %r: %s", zone, state.value)
        self._states = states

    def _may_expel(self) -> bool:
        """Whether any node may be expelled now; sets each zone's rate, late nodes counted as silent."""
        moment = self._context.clock.monotonic()
        late = {n for n, one in self._health.items() if health.is_late(one, self._grace, moment)}
        by_zone = zones.by_zone(self._nodes.list())
        states = zones.judge(by_zone, self._rates.unhealthy_share, late)
        for zone, members in by_zone.items():
            rate = zones.rate(states[zone], len(members), self._rates)
            self._limiter(zone).set_rate(rate, moment)
        return not zones.is_full_everywhere(states)

    def _limiter(self, zone: str) -> Limiter:
        return self._limiters.setdefault(zone, Limiter(self._rates.normal))

    # -- taints

    async def _reconcile(self, name: str) -> float | None:
        node = self._nodes.get("", name)
        if node is None or node.metadata.deletion_timestamp is not None:
            return None
        granted, wait = self._grant(node)
        found = plan.plan_taints(
            node, disrupted=self._disrupted, granted=granted, now=self._context.clock.now()
        )
        await self._executor.execute(found.actions)
        return wait

    def _grant(self, node: Node) -> tuple[bool, float | None]:
        """May the node get a NoExecute taint now? Else, when to ask again."""
        if not plan.wants_no_execute(node, disrupted=self._disrupted):
            return False, None
        if health.ready_status(node) == "Unknown" and not self._is_silent(node):
            return False, None  # it was forgiven: the next look tells
        if not self._may_expel():
            return False, LATE_SECONDS
        moment = self._context.clock.monotonic()
        limiter = self._limiter(zones.zone_of(node))
        if limiter.take(moment):
            self._metrics.evictions.labels(zones.zone_of(node)).inc()
            return True, None
        return False, max(0.1, limiter.ready_at - moment) if limiter.rate > 0 else None
