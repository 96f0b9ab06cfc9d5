"""Runs the pods of the manifest folder, with the workers that all pods have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kubelet.pods.services import Services
from kubelet.pods.worker import PodWorker
from kubelet.static.mirrors import MirrorPublisher, Mirrors, is_mirror
from kubelet.static.source import Manifests, is_static
from wherry.api.core_v1 import Node, Pod
from wherry.client.informer import Informer

FILES_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StaticHost:
    """Of the pod manager: all workers by uid, and how one is begun."""

    workers: Mapping[str, PodWorker]
    begin: Callable[[str, PodWorker], None]


class StaticPods:
    """The static pods of this node and their mirrors. `uids`: of the pods there are files for."""

    def __init__(
        self,
        services: Services,
        informer: Informer[Pod],
        node: Callable[[], Node | None],
        manifests: Manifests,
        host: StaticHost,
    ) -> None:
        self._s = services
        self._informer = informer
        self._manifests = manifests
        self._host = host
        self._wanted: dict[str, Pod] = {}
        self._publishers: dict[str, MirrorPublisher] = {}
        self._mirrors = Mirrors(services.client, services.clock, node, self._pods, self._mirrored)

    @property
    def uids(self) -> set[str]:
        return set(self._wanted)

    def pod(self, namespace: str, name: str) -> Pod | None:
        """A static pod by the name that its mirror has, with the status that was published."""
        for pod in self._pods():
            if (pod.metadata.namespace, pod.metadata.name) == (namespace, name):
                mirror = self._mirror(pod)
                return pod.with_(status=mirror.status) if mirror is not None else pod
        return None

    async def read(self) -> None:
        """Read the folder and begin, or end, what changed."""
        self._wanted = await asyncio.to_thread(self._manifests.read)
        self.settle()

    async def run(self) -> None:
        """Follow the folder; keep the mirrors, once it is known which there are."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="manifests")
            await self._informer.synced()
            tasks.create_task(self._mirrors.run(), name="mirrors")

    async def _follow(self) -> None:
        while True:
            await self._s.clock.sleep(FILES_SECONDS)
            before = self.uids
            self._wanted = await asyncio.to_thread(self._manifests.read)
            if self.uids != before:
                self.settle()

    def settle(self) -> None:
        """One worker for each file; a new pod waits for the end of the one with its name."""
        names = set()
        for uid, worker in self._host.workers.items():
            if is_static(worker.pod):
                names.add((worker.pod.metadata.namespace, worker.pod.metadata.name))
                if uid not in self._wanted:
                    worker.gone()
        for uid, pod in self._wanted.items():
            if (pod.metadata.namespace, pod.metadata.name) not in names:
                self._begin(uid, pod)
        self._publishers = {u: p for u, p in self._publishers.items() if u in self._host.workers}
        self._mirrors.poke()

    def _begin(self, uid: str, pod: Pod) -> None:
        publisher = MirrorPublisher(
            self._s.client, self._s.clock, pod, lambda: self._mirror(pod)
        )  # fmt: skip
        self._publishers[uid] = publisher
        self._s.objects.register(pod)
        self._host.begin(uid, PodWorker(self._s, pod, publisher=publisher))

    def mirror_changed(self, before: Pod | None, after: Pod | None) -> None:
        self._mirrors.poke()
        if after is not None and (before is None or before.metadata.uid != after.metadata.uid):
            for publisher in self._publishers.values():
                publisher.renew()

    def _pods(self) -> list[Pod]:
        """Those that run, also what is ending: its mirror shows it until then."""
        running = [w.pod for w in self._host.workers.values() if is_static(w.pod)]
        names = {(pod.metadata.namespace, pod.metadata.name) for pod in running}
        waiting: Iterable[Pod] = (
            pod
            for pod in self._wanted.values()
            if (pod.metadata.namespace, pod.metadata.name) not in names
        )
        return [*running, *waiting]

    def _mirrored(self) -> list[Pod]:
        return [pod for pod in self._informer.list() if is_mirror(pod)]

    def _mirror(self, pod: Pod) -> Pod | None:
        found = self._informer.get(pod.metadata.namespace, pod.metadata.name)
        return found if found is not None and is_mirror(found) else None
