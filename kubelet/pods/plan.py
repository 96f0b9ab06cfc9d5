"""What to do next for one pod: a pure function of what is wanted, what is and the time.

The worker calls `plan` after everything that happens and does what it says; when nothing is left it
sleeps until `wake_at`. So a kubelet that was restarted, missed events or was cut off in the middle of
anything needs no special case.

    live ──► (all ended, none restarts) ──► finished (Succeeded/Failed) ──┐
      └──────────── deleted, evicted, past its deadline ──────────────────┴─► stopping ──► stopped

A pod never goes back along an arrow. Source: upstream's computePodActions and pod_workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kubelet.pods import containers, resize, restart, rounds
from kubelet.pods.observed import Observed
from kubelet.runtime import labels as names
from kubelet.runtime.protocol import ContainerRecord, State
from wherry.api.core_v1 import Container, Pod

LIVENESS, STARTUP, POST_START = "liveness", "startup", "postStart"
SANDBOX = "POD"  # the key of sandbox work among the busy ones; no container can be called so
DEAD_KEPT_PER_CONTAINER = 1
GRACE_SECONDS_DEFAULT = 30
SIDECAR_GRACE_SECONDS_MIN = 2  # upstream's minimumGracePeriodInSeconds


@dataclass(frozen=True, slots=True)
class Stop:
    """The pod must end. `grace_seconds` None: each container's own."""

    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a plan depends on.

    busy:       names with work under way (SANDBOX for the sandbox): leave them alone
    failing:    container id → what says that it must be restarted: LIVENESS, STARTUP or POST_START
    ran:        name → restarts, of containers that once ran: the engine may have lost its records
    started:    names of running containers whose startup probe (if any) has passed
    not_before: name (or SANDBOX) → when to try again after a failed pull, configuration or wiring
    dead_kept:  how many ended runs of a container stay beside its newest
    ends_since: when the pod's end began
    """

    pod: Pod
    observed: Observed
    now: datetime
    finished: bool = False
    stop: Stop | None = None
    busy: frozenset[str] = frozenset()
    failing: Mapping[str, str] = field(default_factory=dict)
    started: frozenset[str] = frozenset()
    ran: Mapping[str, int] = field(default_factory=dict)
    not_before: Mapping[str, datetime] = field(default_factory=dict)
    dead_kept: int = DEAD_KEPT_PER_CONTAINER
    ends_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Start:
    container: Container
    attempt: int
    restart_delay_seconds: int
    sandbox_id: str
    round: int = 0


@dataclass(frozen=True, slots=True)
class Kill:
    """Stop a running container; doing so again may only shorten its grace.

    Without grace there is no preStop hook either.

    held: its turn has not come: the hook runs, but no signal is sent before a Kill without this
    """

    record: ContainerRecord
    grace_seconds: int
    message: str
    held: bool = False


@dataclass(frozen=True, slots=True)
class Resize:
    """Change what a running container may use."""

    record: ContainerRecord
    container: Container


@dataclass(slots=True)
class Plan:
    """What to do. All of it may be done at the same time.

    finished:    no container will run again: the pod Succeeded or Failed
    stopped:     nothing of the pod runs and no sandbox is left: it may be cleaned up
    backing_off: name → seconds of its crash-loop back-off, now waited for
    """

    create_sandbox: int | None = None
    sandbox_changed: bool = False
    start: list[Start] = field(default_factory=list)
    kill: list[Kill] = field(default_factory=list)
    resize: list[Resize] = field(default_factory=list)
    remove_sandboxes: list[ContainerRecord] = field(default_factory=list)
    remove: list[ContainerRecord] = field(default_factory=list)
    wake_at: datetime | None = None
    finished: bool = False
    stopped: bool = False
    backing_off: dict[str, int] = field(default_factory=dict)

    def wake(self, at: datetime) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)


def spec_hash(container: Container) -> str:
    """Changes when a running container must be replaced: the image is all that may change in place."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:16]


def resize_key(container: str) -> str:
    """The key of a resize among the busy ones and those to be tried again."""
    return f"{container}/resize"


def grace_seconds(pod: Pod) -> int:
    given = pod.spec.termination_grace_period_seconds
    return GRACE_SECONDS_DEFAULT if given is None else given


def plan(now: Situation) -> Plan:
    """Decide. Deterministic; never wants to start what `busy`, back-off or policy forbid."""
    result = Plan()
    if now.stop is not None or now.finished:
        _plan_end(now, result)
    else:
        _plan_life(now, result)
    _plan_garbage(now, result)
    return result


def _plan_end(now: Situation, result: Plan) -> None:
    """Main containers first, then sidecars in reverse, then the sandbox; all hooks at once.

    The grace period is the whole pod's: sidecars get what is left of it, and nobody waits for his turn
    any longer when it is over.
    """
    grace = grace_seconds(now.pod)
    if now.stop is not None and now.stop.grace_seconds is not None:
        grace = now.stop.grace_seconds
    running = {record.name: record for record in now.observed.running()}
    sidecars = [c.name for c in now.pod.spec.init_containers if restart.is_sidecar(c)]
    first = [record for name, record in running.items() if name not in sidecars]
    last = [running[name] for name in reversed(sidecars) if name in running]
    for record in first:
        result.kill.append(Kill(record, grace, f"Stopping container {record.name}"))
    over_at = (now.ends_since or now.now) + timedelta(seconds=grace)
    if last and now.now < over_at:
        result.wake(over_at)
    if last and grace:
        left = int((over_at - now.now).total_seconds())
        grace = min(grace, max(SIDECAR_GRACE_SECONDS_MIN, left))
    turn = [] if first else last[:1]
    for record in last:
        held = record not in turn and now.now < over_at
        result.kill.append(Kill(record, grace, f"Stopping container {record.name}", held))
    if running or now.busy:
        return
    result.remove_sandboxes.extend(now.observed.sandboxes)
    result.finished = True
    result.stopped = not now.observed.sandboxes


def _plan_life(now: Situation, result: Plan) -> None:
    # While it is being wired it runs already, but is of no use yet.
    sandbox = now.observed.sandbox if SANDBOX not in now.busy else None
    outdated = rounds.outdated(now.pod, now.observed)
    if outdated:
        result.kill.extend(Kill(record, 0, rounds.KILL_MESSAGE) for record in outdated)
        return
    wanted = _Wanted(now, sandbox, result)
    wanted.decide()
    if wanted.is_over:
        # Sidecars go last; the worker notes the phase and comes back with finished=True.
        result.finished = not now.busy
        result.start.clear()
        return
    if sandbox is not None:
        return
    starts, result.start = result.start, []
    if not starts or now.busy:
        return
    running = now.observed.running()
    if not now.observed.sandboxes and not running:
        not_before = now.not_before.get(SANDBOX, now.now)
        if not_before > now.now:
            result.wake(not_before)
        else:
            result.create_sandbox = 0
        return
    # What still runs lost its network: end it, let go of the old sandbox, then make a new one.
    result.sandbox_changed = True
    message = "Pod sandbox changed, it will be killed and re-created."
    result.kill.extend(Kill(r, grace_seconds(now.pod), message) for r in running)
    if not running:
        result.remove_sandboxes.extend(now.observed.sandboxes)


class _Wanted:
    """Which containers should start or be killed, were there a sandbox."""

    def __init__(self, now: Situation, sandbox: ContainerRecord | None, result: Plan) -> None:
        self._now = now
        self._spec = now.pod.spec
        self._sandbox_id = sandbox.id if sandbox is not None else ""
        self._result = result
        self._round = rounds.wanted(now.pod, now.observed)
        self.is_over = False

    def decide(self) -> None:
        if self._sandbox_id:
            self._add_ephemeral()
        if not self._is_initialized() and not self._initialize():
            return
        self._keep_sidecars()
        over = True
        for container in self._spec.containers:
            over = self._keep(container) and over
        self.is_over = over

    def _current(self, name: str) -> ContainerRecord | None:
        """The latest record, if it belongs to the sandbox in use and to this round."""
        record = self._now.observed.latest(name)
        if record is None or record.sandbox_id != self._sandbox_id:
            return None
        return record if rounds.of(record) == self._round else None

    def _is_initialized(self) -> bool:
        """A main container that was started in this sandbox proves it, also when init's records went.

        Without a sandbox that was ever left by a main container the question stays open.
        """
        if not self._spec.init_containers:
            return True
        if self._sandbox_id:
            return any(self._current(c.name) for c in self._spec.containers)
        latest = [self._now.observed.latest(c.name) for c in self._spec.containers]
        if any(record is not None and rounds.of(record) < self._round for record in latest):
            return False
        return any(latest) and not any(
            r is not None and restart.should_restart(self._now.pod, c, r)
            for c, r in zip(self._spec.containers, latest, strict=True)
        )

    def _initialize(self) -> bool:
        """Take the next step of initialization; True when it is complete."""
        for container in self._spec.init_containers:
            record = self._current(container.name)
            if record is None or not record.has_ended:
                if not self._advance(container, record):
                    return False
                continue
            if restart.is_sidecar(container):
                self._again(container, record)
                return False
            if restart.exit_code(record) == 0:
                continue
            if restart.should_retry_init(self._now.pod, container, record):
                self._again(container, record)
            else:
                self.is_over = True
            return False
        return True

    def _advance(self, container: Container, record: ContainerRecord | None) -> bool:
        """Start or await one init container; True when the next one may begin."""
        if record is None or record.state is State.CREATED:
            self._first(container)
            return False
        if self._must_die(container, record):
            return False
        return restart.is_sidecar(container) and container.name in self._now.started

    def _add_ephemeral(self) -> None:
        """Ephemeral containers run once, whatever becomes of them."""
        for container in containers.ephemeral(self._now.pod):
            record = self._now.observed.latest(container.name)
            if record is None or (record.state is State.CREATED and not record.error):
                self._start(container, record)

    def _keep_sidecars(self) -> None:
        for container in self._spec.init_containers:
            record = self._current(container.name)
            if restart.is_sidecar(container) and record is not None:
                if record.has_ended:
                    self._again(container, record)
                else:
                    self._must_die(container, record)

    def _keep(self, container: Container) -> bool:
        """Look after one main container; True when it has ended for good."""
        latest = self._now.observed.latest(container.name)
        if latest is None or rounds.of(latest) < self._round:
            self._first(container)
            return False
        if latest.has_ended:
            if not restart.should_restart(self._now.pod, container, latest):
                return True
            self._again(container, latest)
            return False
        if latest.state is State.CREATED or latest.sandbox_id != self._sandbox_id:
            self._start(container, latest)
        else:
            self._must_die(container, latest)
        return False

    def _must_die(self, container: Container, record: ContainerRecord) -> bool:
        """Kill a running container that failed its probe or must start anew to change."""
        message, why = "", self._now.failing.get(record.id, "")
        if why == POST_START:
            message = "FailedPostStartHook"
        elif why:
            message = f"Container {container.name} failed {why} probe, will be restarted"
        elif record.labels.get(names.SPEC_HASH) not in (None, spec_hash(container)):
            message = f"Container {container.name} definition changed, will be restarted"
        elif resize.needs_restart(container, record):
            message = f"Container {container.name} resize requires restart"
        if not message:
            if resize.is_stale(container, record):
                self._resize(container, record)
            return False
        grace = _probe_grace(self._now.pod, container, why)
        self._result.kill.append(Kill(record, grace, message))
        return True

    def _resize(self, container: Container, record: ContainerRecord) -> None:
        key = resize_key(container.name)
        not_before = self._now.not_before.get(key)
        if not_before is not None and not_before > self._now.now:
            self._result.wake(not_before)
        elif key not in self._now.busy:
            self._result.resize.append(Resize(record, container))

    def _first(self, container: Container) -> None:
        """Start it for the first time in this sandbox or round; the end of the last round is waited out."""
        latest = self._now.observed.latest(container.name)
        ends = [
            record
            for other in (*self._spec.init_containers, *self._spec.containers)
            for record in self._now.observed.containers.get(other.name, ())
            if rounds.of(record) < self._round and restart.restarts_all(other, record)
        ]
        due = {record.id: restart.restart_at(record, self._now.now) for record in ends}
        at = max(due.values(), default=self._now.now)
        if at > self._now.now:
            ended = max(ends, key=lambda record: due[record.id])
            self._result.backing_off[container.name] = restart.delay_seconds(ended)
            self._result.wake(at)
        else:
            self._start(container, latest)

    def _again(self, container: Container, ended: ContainerRecord) -> None:
        """Start it anew when its back-off is over."""
        at = restart.restart_at(ended, self._now.now)
        if resize.needs_restart(container, ended):
            at = self._now.now  # it ended for its new resources, and did not fail
        if at > self._now.now:
            self._result.backing_off[container.name] = restart.delay_seconds(ended)
            self._result.wake(at)
        else:
            self._start(container, ended)

    def _start(self, container: Container, before: ContainerRecord | None) -> None:
        if container.name in self._now.busy:
            return
        not_before = self._now.not_before.get(container.name)
        if not_before is not None and not_before > self._now.now:
            self._result.wake(not_before)
            return
        # One that was created but never started was no attempt.
        fresh = before is None or (before.state is State.CREATED and not before.error)
        attempt = self._now.ran.get(container.name, -1) + 1
        if before is not None:
            attempt = before.attempt + (0 if fresh else 1)
        delay = (
            int(before.labels.get(names.RESTART_DELAY) or 0)
            if before is not None and fresh
            else restart.next_delay_seconds(before)
        )
        self._result.start.append(Start(container, attempt, delay, self._sandbox_id, self._round))


def _probe_grace(pod: Pod, container: Container, kind: str) -> int:
    """The failed probe's own grace period, else the pod's."""
    probe = {LIVENESS: container.liveness_probe, STARTUP: container.startup_probe}.get(kind)
    if probe is not None and probe.termination_grace_period_seconds is not None:
        return probe.termination_grace_period_seconds
    return grace_seconds(pod)


def _plan_garbage(now: Situation, result: Plan) -> None:
    """Old attempts: the latest stays, and one before it for `--previous` and lastState."""
    if SANDBOX in now.busy:
        result.remove_sandboxes.clear()
        return
    for records in now.observed.containers.values():
        dead = [record for record in records[1:] if record.state is not State.RUNNING]
        result.remove.extend(dead[max(0, now.dead_kept) :])
    if now.observed.sandbox is not None and not result.remove_sandboxes:
        in_use = {record.sandbox_id for record in now.observed.running()}
        result.remove_sandboxes.extend(s for s in now.observed.sandboxes[1:] if s.id not in in_use)
