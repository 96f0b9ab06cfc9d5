"""A Job, its pods and their kubelet, in memory: carries out what the plans say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controller_manager import pods as podfacts
from controller_manager.job.assess import assess, find, is_finished, is_tracked
from controller_manager.job.indexes import COMPLETION_INDEX
from controller_manager.job.plan import Observed, plan_pods
from controller_manager.job.status import Acted, plan_status
from wherry.api.batch_v1 import Job
from wherry.api.core_v1 import Pod
from wherry.api.model import format_time

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def job(**spec):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    labels = {"job-name": "work"}
    return Job.from_wire(
        {
            "metadata": {"name": "work", "namespace": "ns", "uid": "j1", "generation": 1},
            "spec": {
                "completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed",
                "selector": {"matchLabels": {"controller-uid": "j1"}},
                "template": {"metadata": {"labels": labels}, **template},
                **spec,
            },
        }
    )  # fmt: skip


def index_of(pod: Pod) -> str:
    return pod.metadata.annotations.get(COMPLETION_INDEX, "")


class World:
    """`ended` remembers every pod that ended by itself, and how."""

    def __init__(self, made: Job) -> None:
        self.job = made
        self.pods: dict[str, Pod] = {}
        self.now = NOW
        self.made = 0
        self.writes = 0
        self.events: list[str] = []
        self.ended: dict[str, str] = {}
        self.dropped: set[str] = set()  # deleted by the controller as surplus: never counted

    # -- the controller

    def step(self, *, dies_before: str = "") -> float | None:
        """One pass; the process may die before `status` or before `release`."""
        if is_finished(self.job):
            return None
        observed = Observed(self.job, tuple(self.pods.values()))
        seen = assess(self.job, observed.pods, self.now)
        plan = plan_pods(observed, seen, self.now)
        for pod in plan.create:
            self._create(pod)
        for pod in plan.delete:
            if plan.uncounted:
                self.release(pod.metadata.name)
                self.dropped.add(pod.metadata.uid)
            self.delete(pod.metadata.name)
        if dies_before == "status":
            return None
        acted = Acted(len(plan.create), len(plan.delete))
        result = plan_status(observed, seen, plan, acted, self.now)
        if result.status != self.job.status:
            self.writes += 1
            self.job = self.job.with_(status=result.status)
            self.events += [f"{event.reason}: {event.message}" for event in result.events]
        if dies_before == "release":
            return None
        for pod in result.release:
            self.writes += 1
            self.release(pod.metadata.name)
        return result.requeue_after

    def settle(self, passes: int = 20) -> None:
        for _ in range(passes):
            before = self.writes
            self.step()
            if self.writes == before:
                return
        raise AssertionError("does not settle")

    def _create(self, pod: Pod) -> None:
        name = pod.metadata.name
        assert name not in self.pods, "a name used twice"
        self.made += 1
        self.writes += 1
        metadata = pod.metadata.with_(uid=f"u{self.made}", creation_timestamp=self.now)
        self.pods[name] = pod.with_(metadata=metadata)

    def delete(self, name: str) -> None:
        self.writes += 1
        pod = self.pods.get(name)
        if pod is None:
            return
        metadata = pod.metadata.with_(deletion_timestamp=self.now, deletion_grace_period_seconds=0)
        self.pods[name] = pod.with_(metadata=metadata)
        self._collect(name)

    def release(self, name: str) -> None:
        pod = self.pods.get(name)
        if pod is None:
            return
        self.pods[name] = pod.with_(metadata=pod.metadata.with_(finalizers=[]))
        self._collect(name)

    def _collect(self, name: str) -> None:
        pod = self.pods[name]
        unscheduled = not pod.spec.node_name or podfacts.is_terminal(pod)
        if podfacts.is_terminating(pod) and unscheduled and not is_tracked(pod):
            del self.pods[name]

    # -- the kubelet

    def start(self, name: str) -> None:
        pod = self.pods[name]
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": format_time(self.now)}
        self._status(name, {"phase": "Running", "conditions": [ready]})
        self.pods[name] = self.pods[name].with_(spec=pod.spec.with_(node_name="n"))

    def end(self, name: str, phase: str, code: int = 0, **status: object) -> None:
        ended = {"exitCode": code, "finishedAt": format_time(self.now)}
        containers = [{"name": "c", "state": {"terminated": ended}}]
        self._status(name, {"phase": phase, "containerStatuses": containers, **status})
        self.ended[self.pods[name].metadata.uid] = phase
        self._collect(name)

    def stop_terminating(self) -> None:
        """The kubelet ends what is being deleted."""
        for name, pod in list(self.pods.items()):
            if podfacts.is_terminating(pod) and not podfacts.is_terminal(pod):
                self.end(name, "Failed", 137)

    def _status(self, name: str, tree: dict) -> None:
        self.pods[name] = Pod.from_wire({**self.pods[name].to_wire(), "status": tree})

    # -- questions

    def active(self) -> list[Pod]:
        return [pod for pod in self.pods.values() if podfacts.is_active(pod)]

    def names(self) -> list[str]:
        return sorted(pod.metadata.name for pod in self.active())

    def of_index(self, index: int) -> str:
        (name,) = [p.metadata.name for p in self.active() if index_of(p) == str(index)]
        return name

    def condition(self, type_: str):
        return find(self.job.status, type_)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
