"""Does what a plan says: one task per container or sandbox at most, each waking the worker at its end.

What fails is remembered in `Failures` and met again by the next plan; nothing is retried in here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from kubelet.pods import cgroups, containers, hooks, resize
from kubelet.pods.failures import Failures
from kubelet.pods.killer import Hook, Killer
from kubelet.pods.observed import Observed
from kubelet.pods.plan import SANDBOX, Kill, Plan, Resize, Start, resize_key
from kubelet.pods.services import Services
from kubelet.pods.starter import PodNetwork, Starter, StartError
from kubelet.pods.status import pod_key
from kubelet.runtime.protocol import ContainerRecord, RuntimeFailure
from kubelet.stats.reader import CgroupReader
from kubelet.volumes.interface import VolumeError
from kubelet.volumes.payload import is_made_of_objects
from wherry.api.core_v1 import Pod

T = TypeVar("T")

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class _Stopping(Exception):
    """The pod is ending: what was being prepared is not wanted any more."""


class Deeds:
    """One pod's work under way. `tasks` is the worker's group, `wake` its bell."""

    def __init__(
        self,
        services: Services,
        starter: Starter,
        tasks: asyncio.TaskGroup,
        wake: Callable[[], None],
        pod: Callable[[], Pod],
    ) -> None:
        self._s = services
        self._starter = starter
        self._tasks = tasks
        self._wake = wake
        self._pod = pod
        self._busy: set[str] = set()
        self._plans = 0
        self._stopping = asyncio.Event()
        self._paths: Mapping[str, Path] | None = None
        self._volumes_lock = asyncio.Lock()
        self._backed_off: set[str] = set()
        self._lost_sandboxes: set[str] = set()
        self.failures = Failures()
        self.killer = Killer(services.runtime, services.clock, tasks)

    @property
    def busy(self) -> frozenset[str]:
        return frozenset(self._busy)

    def stop(self) -> None:
        """Nothing new is wanted: pulls and the like are dropped, what is being created is finished."""
        self._stopping.set()

    def objects_changed(self) -> None:
        """What failed for want of a ConfigMap or Secret may work now; files in volumes follow."""
        self.failures.forget_configuration()
        if self._paths is not None and not self._stopping.is_set():
            self._spawn("volumes", self._refresh())

    def do(self, plan: Plan, observed: Observed, network: PodNetwork | None) -> None:
        """Begin everything the plan wants that is not under way."""
        self._plans += 1
        ips = network.ips if network is not None else ()
        for kill in plan.kill:
            if not self.killer.is_killing(kill.record.id):
                self._say("Normal", "Killing", kill.message, kill.record.name)
            self.killer.kill(kill, self._pre_stop(kill, ips[0] if ips else ""))
        if plan.sandbox_changed:
            self._say_changed(plan.remove_sandboxes)
        if plan.remove_sandboxes:
            self._spawn(SANDBOX, self._remove_sandboxes(plan.remove_sandboxes))
        if plan.create_sandbox is not None:
            self._spawn(SANDBOX, self._create_sandbox(plan.create_sandbox))
        for start in plan.start:
            self._spawn(start.container.name, self._start(start, ips))
        for change in plan.resize:
            self._spawn(resize_key(change.container.name), self._resize(change))
        for record in plan.remove:
            self._spawn(record.id, self._remove(record))
        for name in plan.backing_off:
            self._say_back_off(name, observed)

    def _say(self, type: str, reason: str, message: str, container: str = "") -> None:
        self._s.event(self._pod(), type, reason, message, container)

    def _spawn(self, key: str, work: Coroutine[Any, Any, None], *, quiet: bool = False) -> None:
        """quiet: its end is no news, unless a plan was made that had to leave it alone"""
        if key in self._busy:
            work.close()
            return

        begun = self._plans

        async def to_its_end() -> None:
            try:
                await work
            finally:
                self._busy.discard(key)
                if not quiet or self._plans != begun:
                    self._wake()

        self._busy.add(key)
        self._tasks.create_task(to_its_end(), name=key)

    # -- sandboxes

    async def _create_sandbox(self, attempt: int) -> None:
        # Volumes take their time beside the sandbox, not after it; a failure is met again at start.
        volumes = self._tasks.create_task(self._try_volumes(), name="volumes")
        try:
            await self._starter.create_sandbox(self._pod(), attempt)
            await volumes
        except StartError as error:
            self._say("Warning", error.reason, error.message)
            self._s.metrics.not_started_pod(error.reason)
            self.failures.add(SANDBOX, error, self._s.clock.now())
        except RuntimeFailure as error:
            self.failures.add(SANDBOX, StartError("", str(error)), self._s.clock.now())
        else:
            self._s.metrics.started_pod()
            self.failures.forget(SANDBOX)

    async def _remove_sandboxes(self, records: list[ContainerRecord]) -> None:
        for record in records:
            try:
                await self._starter.remove_sandbox(record)
            except StartError as error:
                self._say("Warning", "FailedKillPod", f"error killing pod: {error}")
                # SANDBOX stays busy for this long, so that the next try is not at once.
                await self._s.clock.sleep(RETRY_SECONDS)

    async def _remove(self, record: ContainerRecord) -> None:
        try:
            await self._s.runtime.remove(record.id)
        except RuntimeFailure:
            await self._s.clock.sleep(RETRY_SECONDS)
        else:
            self._s.cache.drop(record.id)

    # -- volumes

    async def _try_volumes(self) -> None:
        with suppress(StartError):
            await self._volumes()

    async def _volumes(self) -> Mapping[str, Path]:
        async with self._volumes_lock:
            if self._paths is None:
                self._paths = await self._starter.volumes(self._pod())
            return self._paths

    async def _refresh(self) -> None:
        try:
            await self._s.volumes.refresh(self._pod())
        except VolumeError as error:
            self._say("Warning", error.reason, error.message)

    def refresh_volumes(self) -> None:
        """Tokens grow old without any object changing."""
        changes = any(map(is_made_of_objects, self._pod().spec.volumes))
        if changes and self._paths is not None and not self._stopping.is_set():
            self._spawn("volumes", self._refresh(), quiet=True)

    # -- containers

    async def _start(self, start: Start, ips: tuple[str, ...]) -> None:
        name = start.container.name
        try:
            image, paths = await self._unless_stopping(self._requisites(start))
            await self._starter.start(self._pod(), start, image, paths, ips)
        except _Stopping:
            return
        except StartError as error:
            self.failures.add(name, error, self._s.clock.now())
        except (RuntimeFailure, OSError) as error:  # such as a disk that is full
            self._say("Warning", "Failed", f"Error: {error}", name)
            failure = StartError("CreateContainerError", str(error))
            self.failures.add(name, failure, self._s.clock.now())
        else:
            self.failures.forget(name)

    async def _resize(self, change: Resize) -> None:
        key, record = resize_key(change.container.name), change.record
        too_low = resize.too_low(change.container, record, await self._memory_used(record))
        if too_low:
            self._resize_failed(key, too_low)
            return
        self._s.bounding.widen(self._pod())
        try:
            await self._s.runtime.update(record.id, resize.told(change.container))
            after = await self._s.cache.look(record.id)
        except RuntimeFailure as error:
            self._resize_failed(key, str(error))
            return
        if after is not None and resize.is_stale(change.container, after):
            self._resize_failed(key, f"the engine applies other resources: {after.applied}")
        else:
            self.failures.forget(key)
            self._s.bounding.settle(self._pod())

    async def _memory_used(self, record: ContainerRecord) -> int:
        facts = self._s.node.facts
        parent = cgroups.parent(self._pod(), facts)
        group = cgroups.container_group(parent, record.id, facts.cgroup_driver)
        usage = await asyncio.to_thread(CgroupReader().read, group)
        return usage.working_set_bytes if usage is not None else 0  # the rest can be reclaimed

    def _resize_failed(self, key: str, message: str) -> None:
        self._say("Warning", "ResizeError", f"Pod resize error: {resize.described(self._pod(), message)}")  # fmt: skip
        self.failures.add(key, StartError("ResizeError", message), self._s.clock.now())

    async def _requisites(self, start: Start) -> tuple[Any, Mapping[str, Path]]:
        paths = await self._volumes()
        return await self._starter.image(self._pod(), start.container), paths

    async def _unless_stopping(self, work: Coroutine[Any, Any, T]) -> T:
        wanted = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({wanted, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not wanted.done():
                raise _Stopping
            return wanted.result()
        finally:
            wanted.cancel()
            stopping.cancel()
            await asyncio.gather(wanted, stopping, return_exceptions=True)

    def _pre_stop(self, kill: Kill, ip: str) -> Hook | None:
        pod = self._pod()
        container = next((c for c in containers.everyone(pod) if c.name == kill.record.name), None)
        handler = container.lifecycle.pre_stop if container and container.lifecycle else None
        if container is None or handler is None:
            return None

        async def run() -> None:
            try:
                await hooks.run(
                    self._s, pod, container, handler, kill.record.id, ip, kill.grace_seconds
                )
            except hooks.HookError as error:
                log.warning("preStop of %s in pod %s: %s", container.name, pod.metadata.name, error)
                self._say("Warning", "FailedPreStopHook", "PreStopHook failed", container.name)

        return run

    def _say_changed(self, lost: list[ContainerRecord]) -> None:
        """Once per sandbox, however long it takes to get rid of it."""
        ids = {record.id for record in lost}
        if ids - self._lost_sandboxes:
            message = "Pod sandbox changed, it will be killed and re-created."
            self._say("Normal", "SandboxChanged", message)
        self._lost_sandboxes = ids or self._lost_sandboxes

    def _say_back_off(self, name: str, observed: Observed) -> None:
        """Once per attempt that ended."""
        record = observed.latest(name)
        if record is not None and record.id not in self._backed_off:
            self._backed_off = {record.id, *self._backed_off} & {
                r.id for r in observed.everything()
            }
            message = f"Back-off restarting failed container {name} in pod {pod_key(self._pod())}"
            self._say("Warning", "BackOff", message, name)
