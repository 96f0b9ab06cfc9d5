"""All pods of this node: one worker each, by uid, fed by the informer and the engine.

At start nothing new is begun before what must end has ended: first the pods the API server still
has are read, then whatever runs without being among them is stopped ("orphans"), then the rest goes
on. An API server that is away changes nothing: the informer keeps what it knew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from kubelet.eviction import manager as eviction
from kubelet.node import fencing
from kubelet.pods import admit, groups, resize
from kubelet.pods.resize import Refusal
from kubelet.pods.services import Services
from kubelet.pods.status import EVICTED, is_terminal
from kubelet.pods.worker import PodWorker
from kubelet.runtime import labels as names
from kubelet.runtime.protocol import ContainerRecord
from kubelet.static.mirrors import is_mirror
from kubelet.static.pods import StaticHost, StaticPods
from kubelet.static.source import Manifests
from wherry.api.core_v1 import Container, Node, Pod, PodSpec
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.informer import Informer

log = logging.getLogger(__name__)

# How long new starts wait for orphans to end: their grace period, within reason.
ORPHANS_SECONDS_MAX = 60.0
HOUSEKEEPING_SECONDS = 60.0
WORKER_AGAIN_SECONDS = 5.0


class PodManager:
    """The workers of this node, and what others may ask about its pods."""

    def __init__(
        self,
        services: Services,
        informer: Informer[Pod],
        node: Callable[[], Node | None],
        manifests: Manifests,
        pressure: Callable[[], frozenset[str]] = frozenset,
        fenced: Callable[[], bool] = lambda: False,
    ) -> None:
        self._s = services
        self._informer = informer
        self._node = node
        self._pressure = pressure
        self._fenced = fenced
        self._workers: dict[str, PodWorker] = {}
        self._orphans: set[str] = set()
        self._static = StaticPods(
            services, informer, node, manifests, StaticHost(self._workers, self._begin)
        )
        self._tasks: asyncio.TaskGroup | None = None
        # True until what must end before anything starts has ended.
        self._held = True
        self._ending = False

    # -- for others (kubelet/server, node status)

    def pods(self) -> list[Pod]:
        """The pods of this node that the API server has."""
        return [worker.pod for uid, worker in self._workers.items() if uid not in self._orphans]

    def pod(self, namespace: str, name: str) -> Pod | None:
        return self._static.pod(namespace, name) or self._informer.get(namespace, name)

    def containers(self, pod_uid: str) -> list[ContainerRecord]:
        return self._s.cache.records(pod_uid)

    def count_workers(self) -> int:
        """Pods that are being looked after, orphans too."""
        return len(self._workers)

    def finished_uids(self) -> set[str]:
        """Pods that run nothing more."""
        return {uid for uid, worker in self._workers.items() if worker.is_over}

    def evict(self, uid: str, message: str, grace_seconds: int) -> asyncio.Event | None:
        """End a pod for the node's good; the event tells when it runs nothing more.

        None when it is not here or has ended.
        """
        worker = self._workers.get(uid)
        return worker.evict(message, grace_seconds) if worker is not None else None

    def fenced_pods(self) -> set[str] | None:
        """Uids of the pods here that self-fencing is about; None before we know."""
        if not self._informer.has_synced:
            return None
        every = (*(worker.pod for worker in self._workers.values()), *self._informer.list())
        return {pod.metadata.uid for pod in every if fencing.concerns(pod)}

    def fence(self, known: frozenset[str], message: str) -> None:
        """End what self-fencing is about; known: uids that a predecessor knew of."""
        for worker in list(self._workers.values()):
            if fencing.concerns(worker.pod):
                worker.evict(message, fencing.grace_of(worker.pod))
        if self._tasks is not None:
            self._end((self._s.cache.pod_uids() - set(self._workers)) & known)

    def say(self, uid: str, reason: str, message: str) -> None:
        """A warning event about a pod, if it is here."""
        worker = self._workers.get(uid)
        if worker is not None:
            self._s.event(worker.pod, "Warning", reason, message)

    # -- bells

    def containers_changed(self, pod_uid: str) -> None:
        worker = self._workers.get(pod_uid)
        if worker is not None:
            worker.poke()

    def address_changed(self) -> None:
        """The node's: every pod tells it."""
        for worker in self._workers.values():
            worker.poke()

    def objects_changed(self, pod_uid: str) -> None:
        worker = self._workers.get(pod_uid)
        if worker is not None:
            worker.objects_changed()

    # -- the loop

    async def run(self) -> None:
        """Drive the pods until cancelled. Containers go on when we end."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._s.cache.listed.wait()
                await self._static.read()  # they start whether there is an API server or not
                tasks.create_task(self._static.run(), name="static-pods")
                await self._informer.synced()
                self._adopt_orphans({pod.metadata.uid for pod in self._informer.list()})
                first = [self._workers[uid] for uid in self._orphans]
                self._informer.add_handler(self._changed)
                await self._await_end(first)
                while True:
                    await self._s.clock.sleep(HOUSEKEEPING_SECONDS)
                    self._room_changed()
                    self._s.bounding.levels(self._others(""))
                    api = {pod.metadata.uid for pod in self._informer.list()}
                    self._adopt_orphans(api | set(self._workers))
                    await asyncio.to_thread(
                        groups.sweep, self._s.node.facts, set(self._workers), time.time()
                    )
        finally:
            self._ending = True

    def _changed(self, before: Pod | None, after: Pod | None) -> None:
        if any(pod is not None and is_mirror(pod) for pod in (before, after)):
            self._static.mirror_changed(before, after)
            return
        if before is not None and (after is None or after.metadata.uid != before.metadata.uid):
            self._lost(before)
        if after is not None:
            self._wanted(after)

    def _node_is_ready(self) -> bool:
        node = self._node()
        conditions = node.status.conditions if node is not None else ()
        return any(c.type == "Ready" and c.status == "True" for c in conditions)

    def node_changed(self) -> None:
        """The server's Node: when it is Ready, its pods may be called ready again."""
        if not self._node_is_ready():
            return
        for pod in self._informer.list():
            worker = self._workers.get(pod.metadata.uid)
            if worker is not None:
                worker.reassert(pod)

    def _lost(self, pod: Pod) -> None:
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            worker.gone()

    def _wanted(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        worker = self._workers.get(uid)
        if worker is not None:
            worker.update(pod)
            if self._node_is_ready():
                worker.reassert(pod)
            self._s.objects.register(pod)
            return
        is_deleted = pod.metadata.deletion_timestamp is not None
        if is_terminal(pod.status) and not self._is_here(uid) and not is_deleted:
            return  # over, and nothing of it is left here
        rejected = self._refusal(pod)
        if rejected is None:
            self._s.objects.register(pod)
        worker = PodWorker(
            self._s, pod, rejected=rejected, judge=self._judge_resize,
            on_resized=self._room_changed,
        )  # fmt: skip
        self._begin(uid, worker)

    def _is_here(self, uid: str) -> bool:
        return bool(self._s.cache.records(uid))

    def _refusal(self, pod: Pod) -> tuple[str, str, str] | None:
        """Judged once, when the pod is new here."""
        uid = pod.metadata.uid
        if self._is_here(uid) or pod.metadata.deletion_timestamp or is_terminal(pod.status):
            return None
        node = self._node()
        if node is None:
            return None
        if fencing.concerns(pod) and self._fenced():
            return "Failed", EVICTED, "Pod was rejected: the node fences itself"
        pressure = eviction.refusal(pod, self._pressure())
        found = (EVICTED, pressure) if pressure else None
        found = found or admit.refusal(pod, self._others(uid), node, self._s.node.unsafe_sysctls)
        if found is None:
            return None
        reason, message = found
        log.info("pod %s/%s rejected: %s", pod.metadata.namespace, pod.metadata.name, message)
        self._s.event(pod, "Warning", reason, message)
        return "Failed", reason, message if pressure else f"Pod was rejected: {message}"

    def _others(self, uid: str) -> list[Pod]:
        """The other pods that take of this node, with what they were promised."""
        return [
            other.agreed
            for other_uid, other in self._workers.items()
            if other_uid != uid and not other.is_over and other_uid not in self._orphans
        ]

    def _judge_resize(self, pod: Pod) -> Refusal | None:
        node = self._node()
        if node is None:
            return None
        return resize.judge(pod, self._others(pod.metadata.uid), node.status.allocatable)

    def _room_changed(self) -> None:
        """Resizes that wait for room are judged anew."""
        for worker in self._workers.values():
            if worker.waits_for_room:
                worker.poke()

    def _begin(self, uid: str, worker: PodWorker) -> None:
        assert self._tasks is not None
        self._workers[uid] = worker
        worker.hold(uid not in self._static.uids and (self._held or self._has_namesake(worker.pod)))
        self._tasks.create_task(self._drive(uid, worker), name=f"pod-{uid}")

    def _has_namesake(self, pod: Pod) -> bool:
        """Whether an older pod of this name still ends here: an ordinal must never run twice."""
        wanted = (pod.metadata.namespace, pod.metadata.name, pod.metadata.uid)
        return any(
            (one.pod.metadata.namespace, one.pod.metadata.name) == wanted[:2] and uid != wanted[2]
            for uid, one in self._workers.items()
            if uid not in self._static.uids
        )

    async def _drive(self, uid: str, worker: PodWorker) -> None:
        """One pod that we can't cope with must not take the others with it."""
        try:
            while not worker.over.is_set():
                try:
                    await worker.run()
                except Exception:
                    log.exception("the worker of pod %s failed, it begins anew", uid)
                    await self._s.clock.sleep(WORKER_AGAIN_SECONDS)
        finally:
            self._workers.pop(uid, None)
            if uid in self._orphans:
                self._orphans.discard(uid)
                self._still_wanted(worker.pod)
            self._s.objects.unregister(uid)
            for other_uid, other in self._workers.items():
                if other_uid not in self._static.uids and not self._held:
                    other.hold(self._has_namesake(other.pod))
            self._room_changed()
            if worker.over.is_set():  # and not: we are ending
                self._static.settle()

    def _still_wanted(self, ended: Pod) -> None:
        """A pod that was ended before the API server could be asked may be wanted there after all."""
        pod = self._informer.get(ended.metadata.namespace, ended.metadata.name)
        if pod is not None and pod.metadata.uid == ended.metadata.uid and not self._ending:
            self._wanted(pod)

    # -- orphans

    def _adopt_orphans(self, known: set[str]) -> None:
        """Whatever of ours runs or lies here without a pod: end it and clean up."""
        here = (self._s.cache.pod_uids() | set(self._s.volumes.list_uids())) - known
        here -= self._static.uids
        self._end(here - set(self._workers))

    def _end(self, uids: set[str]) -> None:
        """By what its containers' labels tell of a pod."""
        for uid in uids:
            log.info("pod %s is not on this node any more: ending it", uid)
            worker = PodWorker(self._s, orphan(uid, self._s.cache.records(uid)))
            worker.gone()
            self._orphans.add(uid)
            self._begin(uid, worker)

    async def _await_end(self, waiting: list[PodWorker]) -> None:
        """Let the others start when these have ended, at the latest after a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ORPHANS_SECONDS_MAX):
                await asyncio.gather(*(worker.over.wait() for worker in waiting))
        self._held = False
        for worker in self._workers.values():
            worker.hold(self._has_namesake(worker.pod))


def orphan(uid: str, records: list[ContainerRecord]) -> Pod:
    """A pod as far as its containers' labels tell: enough to end it."""
    labels: Mapping[str, str] = records[0].labels if records else {}
    grace = labels.get(names.POD_GRACE)
    return Pod(
        metadata=ObjectMeta(
            uid=uid,
            name=labels.get(names.POD_NAME, "unknown"),
            namespace=labels.get(names.POD_NAMESPACE, "unknown"),
        ),
        spec=PodSpec(
            termination_grace_period_seconds=int(grace) if grace else None,
            containers=[
                Container(name=name)
                for name in sorted({r.name for r in records if not r.is_sandbox})
            ],
        ),
    )
