"""The shell: informers feed cache and queue, a loop decides, a few workers bind and report.

Deciding is synchronous and takes well under a millisecond; what waits for the API server (binding,
conditions, events) is done beside it, with bounded concurrency. Informers and queue stay warm while
another instance leads; only `lead` decides.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from typing import NamedTuple

from scheduler.algorithm import Placed, schedule
from scheduler.cache import Cache
from scheduler.framework import Happening, Profile
from scheduler.metrics import Metrics
from scheduler.objects import Node, Pod
from scheduler.queue import Pending, QueueCore
from scheduler.report import Reporter
from scheduler.state import PodInfo
from scheduler.volume_binder import NotBound, VolumeBinder
from scheduler.volumes import Volumes
from wherry.api.errors import ApiError
from wherry.client.informer import Informer
from wherry.client.rest import Client
from wherry.client.transport import ApiUnavailable
from wherry.daemon.backoff import Backoff

log = logging.getLogger(__name__)

BINDERS = 32  # bindings in flight at once
BINDS_WAITING_MAX = 128  # decided and not yet sent; then deciding waits
BIND_SECONDS_MAX = 30.0  # how long an unanswered binding is tried again
SLICE_SECONDS = 0.004  # deciding gives the event loop its turn after this time


class Bind(NamedTuple):
    """A decision on its way to the API server."""

    pod: PodInfo
    node_name: str
    started: float
    pending: Pending


class Scheduler:
    """One profile's scheduler."""

    def __init__(
        self,
        client: Client,
        profile: Profile,
        reporter: Reporter,
        metrics: Metrics,
        chance: random.Random,
        volumes: Volumes | None = None,
    ) -> None:
        self._client = client
        self._profile = profile
        self._reporter = reporter
        self._metrics = metrics
        self._chance = chance
        self._start = 0
        self.cache = Cache()
        self.queue = QueueCore(profile.helped_by)
        self._moved = asyncio.Event()  # the queue may have something to give
        self._binds: asyncio.Queue[Bind] = asyncio.Queue(BINDS_WAITING_MAX)
        # Finished pods hold nothing: they are not even sent to us.
        self.pods = Informer(
            client, Pod, field_selector="status.phase!=Succeeded,status.phase!=Failed",
            transform=None,
        )  # fmt: skip
        self.nodes = Informer(client, Node, transform=None)
        self.nodes.add_handler(self._on_node)
        self.pods.add_handler(self._on_pod)
        self._volumes = VolumeBinder(client, volumes or Volumes(), self._happened)
        metrics.watch(self.queue, self.cache)

    async def watch(self) -> None:
        """Keep cache and queue up to date; leader or not."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.nodes.run(), name="nodes")
            tasks.create_task(self.pods.run(), name="pods")
            for informer in self._volumes.informers:
                tasks.create_task(informer.run(), name="volumes")
            tasks.create_task(self._reporter.run(), name="reporter")

    async def lead(self) -> None:
        """Place pods until cancelled, once the caches have all that an earlier leader wrote."""
        began = asyncio.get_running_loop().time()
        await asyncio.gather(
            self.nodes.caught_up(began),
            self.pods.caught_up(began),
            *(informer.caught_up(began) for informer in self._volumes.informers),
        )
        log.info("scheduling: %d nodes, %d pods", len(self.cache.nodes()), len(self.pods.list()))
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(BINDERS):
                    tasks.create_task(self._bind_decisions(), name=f"binder-{number}")
                tasks.create_task(self._decide(), name="decide")
        finally:
            self._abandon()

    # -- the world changes

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        if after is not None:
            self._happened(self.cache.set_node(after))
        elif before is not None:
            self.cache.remove_node(before.metadata.name)

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        if before is not None and (after is None or before.metadata.uid != after.metadata.uid):
            self._pod_gone(before)
        if after is None:
            return
        info = self._info(after)
        if info.node_name:
            shrank = self.cache.add_pod(info)
            self.queue.remove(info.key)
            if shrank:
                self._happened(frozenset({Happening.POD_SHRANK}))
        elif after.spec.scheduler_name == self._profile.scheduler_name:
            if after.metadata.deletion_timestamp is not None:
                self.queue.remove(info.key)
            elif not self.cache.is_assumed(info.key):
                self.queue.put(info, time.monotonic())
                self._moved.set()

    def _info(self, pod: Pod) -> PodInfo:
        """The pod read once; most updates change only its status and need no new reading."""
        meta = pod.metadata
        key = f"{meta.namespace}/{meta.name}"
        known = self.cache.get(key)
        if (
            known is not None
            and known.uid == meta.uid
            and known.node_name == pod.spec.node_name
            and known.generation == meta.generation > 0
        ):
            return known
        return PodInfo.of(pod)

    def _pod_gone(self, pod: Pod) -> None:
        key = f"{pod.metadata.namespace}/{pod.metadata.name}"
        self.queue.remove(key)
        if self.cache.get(key) is not None:
            self.cache.remove_pod(key)
            self._happened(frozenset({Happening.POD_GONE}))

    def _happened(self, happenings: frozenset[Happening]) -> None:
        if happenings:
            self.queue.happened(happenings, time.monotonic())
            self._moved.set()

    # -- deciding

    async def _decide(self) -> None:
        while True:
            await self._wait_for_work()
            slice_end = time.monotonic() + SLICE_SECONDS
            while (pending := self.queue.pop(time.monotonic())) is not None:
                bind = self._attempt(pending)
                if bind is not None:
                    await self._binds.put(bind)
                if time.monotonic() >= slice_end:
                    await asyncio.sleep(0)
                    slice_end = time.monotonic() + SLICE_SECONDS

    async def _wait_for_work(self) -> None:
        while True:
            now = time.monotonic()
            self.queue.tick(now)
            if not self.queue.idle:
                return
            self._moved.clear()
            try:
                async with asyncio.timeout(max(0.001, self.queue.next_moment(now) - now)):
                    await self._moved.wait()
            except TimeoutError:
                continue

    def _attempt(self, pending: Pending) -> Bind | None:
        """Decide about one pod; None when it does not fit."""
        pod, profile, nodes = pending.pod, self._profile, self.cache.nodes()
        started = time.monotonic()
        decision = schedule(pod, nodes, profile, self._start, self._chance)
        ended = time.monotonic()
        self._metrics.algorithm_seconds.observe(ended - started)
        if isinstance(decision, Placed):
            self._start = (self._start + decision.evaluated) % len(nodes)
            self.cache.assume(pod, decision.node_name)
            return Bind(pod, decision.node_name, started, pending)
        self.queue.did_not_fit(pod.key, decision.plugins, ended)
        self._observe("unschedulable", started)
        shown = self.pods.get(pod.namespace, pod.name)
        if shown is not None:
            self._reporter.does_not_fit(shown, decision.message)
        return None

    # -- binding

    async def _bind_decisions(self) -> None:
        while True:
            bind = await self._binds.get()
            pod = bind.pod
            try:
                done = await self._bind(bind)
            except ApiError as error:
                log.info("binding %s to %s: %s", pod.key, bind.node_name, error)
                done = False
            except (ApiUnavailable, NotBound) as error:
                log.warning("binding %s to %s: %s", pod.key, bind.node_name, error)
                done = False
            if done:
                self.queue.done(pod.key)
                self._metrics.scheduled(bind.pending, time.monotonic())
                self._observe("scheduled", bind.started)
                self._reporter.placed(pod, bind.node_name)
            else:
                self.cache.forget(pod.key)
                self.queue.failed(pod.key, time.monotonic())
                self._observe("error", bind.started)
                self._happened(frozenset({Happening.POD_GONE}))  # the room is free again

    async def _bind(self, bind: Bind) -> bool:
        """Whether the pod is on the node now.

        Without an answer the pod may be bound, so its room stays taken and we ask again: a
        second POST is refused when the first one worked, and then the pod tells.
        """
        pod = bind.pod
        if pod.claims:
            await self._volumes.bind(pod, bind.node_name, self.cache.labels(bind.node_name))
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/binding"
        body = binding(pod, bind.node_name)
        backoff = Backoff(0.1, 2.0, 5.0)
        asked_before = False
        while True:
            try:
                await self._client.request("POST", path, body=body)
            except ApiUnavailable:
                if time.monotonic() - bind.started > BIND_SECONDS_MAX:
                    raise
                asked_before = True
                await asyncio.sleep(backoff.next())
            except ApiError as error:
                if asked_before and error.code == 409:
                    shown = await self._client.get(Pod, pod.name, pod.namespace)
                    return shown.metadata.uid == pod.uid and shown.spec.node_name == bind.node_name
                raise
            else:
                return True

    def _abandon(self) -> None:
        """We lead no longer: what is not known to be bound is pending again."""
        while not self._binds.empty():
            self._binds.get_nowait()
        now = time.monotonic()
        for key in self.cache.assumed:
            self.cache.forget(key)
            self.queue.failed(key, now)

    def _observe(self, result: str, started: float) -> None:
        name = self._profile.scheduler_name
        self._metrics.attempts.labels(name, result).inc()
        self._metrics.seconds.labels(name, result).observe(time.monotonic() - started)


def binding(pod: PodInfo, node_name: str) -> bytes:
    """The Binding of this pod to a node, as JSON."""
    tree = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "target": {"kind": "Node", "name": node_name},
    }
    return json.dumps(tree).encode()
