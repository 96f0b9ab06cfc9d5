"""One pod, one task: look, plan, act, publish; then sleep until something happens.

The mailbox holds one thing, the newest wish. Slow actions (pulls, starts, kills) are tasks of this
worker (`deeds.py`) whose end wakes it; so a deletion is never stuck behind a pull. What a pod once
became (ending, finished, rejected) it stays: these marks are only ever set.

Lifecycle, drawn in `plan.py`. Source: upstream's pod_workers.go and kubelet.go (SyncPod,
SyncTerminatingPod, SyncTerminatedPod).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kubelet.pods import containers, plan, users
from kubelet.pods.allocation import Judge, PodAllocation
from kubelet.pods.deeds import Deeds
from kubelet.pods.ending import Ending
from kubelet.pods.messages import Messages
from kubelet.pods.observed import Observed
from kubelet.pods.plan import SANDBOX, Plan, Situation, Stop
from kubelet.pods.publisher import Publisher
from kubelet.pods.services import Services
from kubelet.pods.starter import PodNetwork, Starter
from kubelet.pods.status import EVICTED, View, compute, is_terminal, ran
from kubelet.runtime.protocol import ContainerRecord, RuntimeFailure, State
from wherry.api.core_v1 import ContainerUser, Pod, PodStatus

log = logging.getLogger(__name__)

DEADLINE_REASON = "DeadlineExceeded"
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"
# Projected tokens and missed changes: every volume is looked at this often.
VOLUMES_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Look:
    """One moment's facts."""

    now: datetime
    observed: Observed
    network: PodNetwork | None
    started: frozenset[str]


class PodWorker:
    """Drives one pod. `run` ends when nothing of the pod is left to do on this node."""

    def __init__(
        self,
        services: Services,
        pod: Pod,
        *,
        rejected: tuple[str, str, str] | None = None,
        judge: Judge = lambda pod: None,
        on_resized: Callable[[], None] = lambda: None,
        publisher: Publisher | None = None,
    ) -> None:
        self.pod = pod
        self._s = services
        self._starter = Starter(services)
        self._forced = rejected
        self._grace_seconds: int | None = None
        self._gone = False
        self._held = False
        self._seen_at = services.clock.monotonic()
        self._ends_since: datetime | None = None
        self._finished = is_terminal(pod.status)
        self._wake = asyncio.Event()
        self.over = asyncio.Event()
        self.stopped = asyncio.Event()
        self._networks: dict[str, PodNetwork] = {}
        self._image_ids: dict[str, str] = {}
        self._users: dict[str, ContainerUser] = {}
        self._publisher = publisher or Publisher(services.client, services.clock, pod)
        self._ending = Ending(services)
        self._allocation = PodAllocation(pod, judge, self._say)
        self._on_resized = on_resized
        self._deeds: Deeds | None = None

    @property
    def is_over(self) -> bool:
        """It runs nothing and will not: it takes none of the node's resources."""
        return self._finished or self._forced is not None

    @property
    def agreed(self) -> Pod:
        """The pod with the resources that it was promised, which a resize may wish to change."""
        return self._allocation.agreed(self.pod)

    @property
    def waits_for_room(self) -> bool:
        """Whether a resize is refused for now."""
        return self._allocation.refused is not None

    def _say(self, type: str, reason: str, message: str) -> None:
        self._s.event(self.pod, type, reason, message)

    # -- the mailbox

    def update(self, pod: Pod) -> None:
        """The newest wish."""
        before, self.pod = self.pod.metadata, pod
        if self._deeds is not None and (before.labels, before.annotations) != (
            pod.metadata.labels,
            pod.metadata.annotations,
        ):
            self._deeds.refresh_volumes()  # downward API files show them
        self._wake.set()

    def reassert(self, pod: Pod) -> None:
        """The node is Ready: what was said of the pod while it was not is put right."""
        if pod.metadata.uid == self.pod.metadata.uid:
            self._publisher.reassert(pod.status)

    def gone(self) -> None:
        """The API server has it no longer: end it without a further word there."""
        self._gone = True
        self._publisher.forget()
        self._wake.set()

    def evict(self, message: str, grace_seconds: int) -> asyncio.Event | None:
        """End it for the node's good; the event tells when it runs nothing more. None: it has ended."""
        if self._finished or self._forced is not None:
            return None
        self._forced, self._grace_seconds = ("Failed", EVICTED, message), grace_seconds
        self._say("Warning", EVICTED, message)
        self._wake.set()
        return self.stopped

    def poke(self) -> None:
        """Something about the pod changed."""
        self._wake.set()

    def hold(self, held: bool) -> None:
        """While held nothing new is started (what must end first is ending)."""
        self._held = held
        self._wake.set()

    def objects_changed(self) -> None:
        """A ConfigMap or Secret of the pod's."""
        if self._deeds is not None:
            self._deeds.objects_changed()
        self._wake.set()

    # -- the loop

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            deeds = Deeds(self._s, self._starter, tasks, self.poke, lambda: self.agreed)
            messages = Messages(self._s.runtime, tasks, self.poke)
            self._deeds = deeds
            helpers = [
                tasks.create_task(self._publisher.run(), name="publish"),
                tasks.create_task(self._refresh_volumes(deeds), name="refresh-volumes"),
            ]
            operation = "create"
            while not self._ending.is_done:
                self._wake.clear()
                begun = self._s.clock.monotonic()
                wake_at = await self._step(deeds, messages)
                self._s.metrics.worked(operation, self._s.clock.monotonic() - begun)
                operation = "sync"
                if not self._ending.is_done:
                    await self._sleep(wake_at)
            for helper in helpers:
                helper.cancel()
        self._s.probes.remove(self.pod.metadata.uid)
        self.over.set()

    async def _sleep(self, wake_at: datetime | None) -> None:
        if wake_at is None:
            await self._wake.wait()
            return
        seconds = max(0.0, (wake_at - self._s.clock.now()).total_seconds())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _refresh_volumes(self, deeds: Deeds) -> None:
        while True:
            await self._s.clock.sleep(VOLUMES_SECONDS)
            deeds.refresh_volumes()

    async def _step(self, deeds: Deeds, messages: Messages) -> datetime | None:
        """Look, plan, act, publish once; when to look again at the latest."""
        stop = self._stop()
        if stop is not None:
            deeds.stop()
        elif not self._finished and self._allocation.consider(self.pod):
            self._on_resized()
        look = await self._look(deeds)
        messages.collect(look.observed)
        if self._ends_since is None and (stop is not None or self._finished):
            self._ends_since = look.now
        result = plan.plan(self._situation(look, deeds, stop))
        if result.finished and not self._finished and self._forced is None:
            if messages.is_collecting:
                return None  # its end wakes us: the final status carries the message
            self._finished = True
            self._wake.set()
        if self._held:
            result.start, result.create_sandbox = [], None
        deeds.do(result, look.observed, look.network)
        self._publish(look, result, deeds, messages)
        if result.stopped and not deeds.busy:
            self.stopped.set()
        if result.stopped and not deeds.busy and (self._gone or self._is_deleted):
            await self._ending.finish(self.pod, self._publisher, announce=not self._gone)
            self._wake.set()
        own = (result.wake_at, self._deadline(), deeds.failures.changes_at(look.now))
        return min((at for at in own if at is not None), default=None)

    # -- facts

    async def _look(self, deeds: Deeds) -> _Look:
        uid = self.pod.metadata.uid
        observed = self._s.cache.observed(uid)
        network = None
        sandbox = observed.sandbox
        if sandbox is not None and SANDBOX not in deeds.busy:
            known = self._networks.get(sandbox.id) if not sandbox.host_network else None
            network = known or self._starter.network(sandbox)
            if network is None:
                # We died between its start and its wiring: it is of no use.
                dead = replace(sandbox, state=State.EXITED)
                observed = replace(observed, sandboxes=(dead, *observed.sandboxes[1:]))
            else:
                self._networks = {sandbox.id: network}
        for record in observed.everything():
            if record.state is not State.RUNNING:
                deeds.killer.ended(record.id)
            if record.image_id not in self._image_ids:
                with suppress(RuntimeFailure):
                    shown = await self._s.images.shown_id(record.image_id)
                    self._image_ids[record.image_id] = shown
        self._tell_probes(observed, network)
        running = observed.running()
        self._learn_users(running)
        in_hook = self._starter.in_hook
        started = frozenset(
            r.name for r in running if r.id not in in_hook and self._s.probes.started(uid, r.id)
        )
        now = self._s.clock.now()
        deeds.failures.settle(now)
        at = self._deadline()
        if at is not None and now >= at:
            self._forced = ("Failed", DEADLINE_REASON, DEADLINE_MESSAGE)
            self._s.event(self.pod, "Normal", DEADLINE_REASON, DEADLINE_MESSAGE)
            self._wake.set()
        return _Look(now, observed, network, started)

    def _learn_users(self, running: list[ContainerRecord]) -> None:
        """Once per container: its first process keeps them, unless it gives up rights."""
        known, self._users = self._users, {}
        for record in running:
            user = known.get(record.id) or (users.of_process(record.pid) if record.pid else None)
            if user is not None:
                self._users[record.id] = user

    def _tell_probes(self, observed: Observed, network: PodNetwork | None) -> None:
        running = {
            record.name: (record.id, record.started_at or record.created_at)
            for record in observed.running()
            if record.id not in self._starter.in_hook
        }
        if running:
            ip = network.ips[0] if network is not None else ""
            self._s.probes.update(self.pod, running, ip, ending=self._stop() is not None)
        else:
            self._s.probes.remove(self.pod.metadata.uid)

    @property
    def _is_deleted(self) -> bool:
        return self.pod.metadata.deletion_timestamp is not None

    def _stop(self) -> Stop | None:
        if self._is_deleted:
            return Stop(self.pod.metadata.deletion_grace_period_seconds)
        return Stop(self._grace_seconds) if self._gone or self._forced is not None else None

    def _deadline(self) -> datetime | None:
        """When activeDeadlineSeconds ends the pod; None when it can't any more."""
        seconds = self.pod.spec.active_deadline_seconds
        begun = self._publisher.latest.start_time
        if seconds is None or begun is None or self._finished or self._forced is not None:
            return None
        return begun + timedelta(seconds=seconds)

    def _situation(self, look: _Look, deeds: Deeds, stop: Stop | None) -> Situation:
        uid = self.pod.metadata.uid
        running = {record.id for record in look.observed.running()}
        self._starter.hook_failed &= running
        failing = dict.fromkeys(self._starter.hook_failed, plan.POST_START)
        for record in look.observed.running():
            message = self._s.probes.liveness_failed(uid, record.id)
            if message is not None:
                is_startup = message.startswith("Startup")
                failing[record.id] = plan.STARTUP if is_startup else plan.LIVENESS
        return Situation(
            pod=self.agreed,
            observed=look.observed,
            now=look.now,
            finished=self._finished,
            stop=stop,
            busy=deeds.busy,
            failing=failing,
            started=look.started,
            ran=ran(self._publisher.latest),
            not_before=deeds.failures.not_before,
            dead_kept=self._s.node.dead_kept,
            ends_since=self._ends_since,
        )

    # -- status

    def _publish(self, look: _Look, result: Plan, deeds: Deeds, messages: Messages) -> None:
        if self._gone:
            return
        uid = self.pod.metadata.uid
        before = self._publisher.latest
        status = compute(
            View(
                pod=self.agreed,
                observed=look.observed,
                now=look.now,
                # Conditions of others are as the server has them, ours as we last said.
                previous=before,
                node_ip=self._s.node.address,
                more_node_ips=self._s.node.addresses[1:],
                pod_ips=look.network.ips if look.network is not None else (),
                finished=self._finished,
                backing_off=result.backing_off,
                waiting=deeds.failures.waiting(
                    look.now, {c.name: c.image for c in containers.everyone(self.pod)}
                ),
                in_hook=frozenset(self._starter.in_hook),
                ready=frozenset(
                    r.id
                    for r in look.observed.running()
                    if self._s.probes.readiness(uid, r.id) is not False
                ),
                started=look.started,
                messages=messages.texts,
                images=self._image_ids,
                users=self._users,
                resize_pending=self._allocation.refused,
                resize_error=deeds.failures.message(
                    plan.resize_key(c.name) for c in containers.everyone(self.pod)
                ),
                forced=self._forced,
            )
        )
        self._publisher.publish(status)
        if (before.phase, status.phase) == ("Pending", "Running"):
            self._tell_start(look.now)
        self._allocation.say_completed(self.pod, before, status)
        self._say_pull_back_off(before, status)

    def _tell_start(self, now: datetime) -> None:
        """How long it took the pod to run."""
        created = self.pod.metadata.creation_timestamp
        seen = self._s.clock.monotonic() - self._seen_at
        self._s.metrics.pod_runs(seen, (now - created).total_seconds() if created else seen)

    def _say_pull_back_off(self, before: PodStatus, after: PodStatus) -> None:
        for name in _backing_off_pull(after) - _backing_off_pull(before):
            container = next(c for c in containers.everyone(self.pod) if c.name == name)
            message = f'Back-off pulling image "{container.image}"'
            self._s.event(self.pod, "Normal", "BackOff", message, name)
            self._s.event(self.pod, "Warning", "Failed", "Error: ImagePullBackOff", name)


def _backing_off_pull(status: PodStatus) -> set[str]:
    return {
        one.name
        for one in (
            *status.init_container_statuses,
            *status.container_statuses,
            *status.ephemeral_container_statuses,
        )
        if one.state.waiting is not None and one.state.waiting.reason == "ImagePullBackOff"
    }
