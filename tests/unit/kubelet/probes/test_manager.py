"""Probes of running containers, by a clock that stands still."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager

import pytest

from kubelet.probes.manager import ProbeManager
from kubelet.probes.state import Outcome, Result
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import FakeClock

OK, BAD = Outcome(Result.SUCCESS), Outcome(Result.FAILURE, "no")
UID = "u1"


def pod(*, status=None, **probes):
    container = {"name": "c"} | {
        f"{kind}Probe": {"exec": {"command": [kind]}, **numbers} for kind, numbers in probes.items()
    }
    return Pod.from_wire(
        {"metadata": {"uid": UID}, "spec": {"containers": [container]}, "status": status or {}}
    )


class Runner:
    """Answers by the probe's command; counts."""

    def __init__(self):
        self.answers = defaultdict(lambda: OK)
        self.made = defaultdict(int)

    async def probe(self, probe, container, container_id, pod_ip):
        kind = probe.exec.command[0]
        self.made[kind] += 1
        return self.answers[kind]


class World:
    def __init__(self):
        self.clock, self.runner = FakeClock(), Runner()
        self.changes, self.unhealthy = [], []
        self.manager = ProbeManager(
            self.runner,
            self.changes.append,
            self.clock,
            lambda pod, container, message: self.unhealthy.append(message),
        )

    def run(self, a_pod, container_id="c1"):
        self.manager.update(a_pod, {"c": (container_id, self.clock.now())}, "10.0.0.1")

    async def pass_time(self, seconds):
        """Second by second, letting everyone work in between."""
        await settle()
        for _ in range(seconds):
            self.clock.advance(1)
            await settle()


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def world():
    made = World()
    task = asyncio.create_task(made.manager.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_readiness_follows_the_probe():
    async with world() as w:
        w.run(pod(readiness={"periodSeconds": 1, "failureThreshold": 2}))
        assert w.manager.readiness(UID, "c1") is False
        await w.pass_time(0)
        assert w.manager.readiness(UID, "c1") is True
        assert w.changes == [UID]
        w.runner.answers["readiness"] = BAD
        await w.pass_time(2)
        assert w.manager.readiness(UID, "c1") is False
        assert w.unhealthy == ["Readiness probe failed: no"] * 2
        assert w.changes == [UID, UID]


async def test_a_failed_liveness_stands_until_the_container_is_another():
    async with world() as w:
        a_pod = pod(liveness={"periodSeconds": 1, "failureThreshold": 3})
        w.runner.answers["liveness"] = BAD
        w.run(a_pod)
        await w.pass_time(1)
        assert w.manager.liveness_failed(UID, "c1") is None
        await w.pass_time(1)
        assert w.manager.liveness_failed(UID, "c1") == "Liveness probe failed: no"
        await w.pass_time(5)
        assert w.runner.made["liveness"] == 3
        w.run(a_pod, "c2")
        assert w.manager.liveness_failed(UID, "c2") is None
        assert w.manager.liveness_failed(UID, "c1") is None


async def test_a_pod_that_ends_is_told_ready_but_not_held_to_be_alive():
    async with world() as w:
        a_pod = pod(liveness={"periodSeconds": 1}, readiness={"periodSeconds": 1})
        w.run(a_pod)
        await w.pass_time(1)
        w.manager.update(a_pod, {"c": ("c1", w.clock.now())}, "10.0.0.1", ending=True)
        made = w.runner.made["liveness"]
        w.runner.answers["readiness"] = BAD
        await w.pass_time(4)
        assert w.runner.made["liveness"] == made
        assert w.manager.readiness(UID, "c1") is False


async def test_startup_holds_the_others():
    async with world() as w:
        w.runner.answers["startup"] = BAD
        w.run(pod(startup={"periodSeconds": 1, "failureThreshold": 9}, liveness={}, readiness={}))
        await w.pass_time(3)
        assert dict(w.runner.made) == {"startup": 4}
        assert not w.manager.started(UID, "c1")
        w.runner.answers["startup"] = OK
        await w.pass_time(1)
        assert w.manager.started(UID, "c1")
        assert dict(w.runner.made) == {"startup": 5, "liveness": 1, "readiness": 1}


async def test_initial_delay_counts_from_the_start_of_the_container():
    async with world() as w:
        a_pod = pod(readiness={"initialDelaySeconds": 5})
        started = w.clock.now()
        w.clock.advance(3)
        w.manager.update(a_pod, {"c": ("c1", started)}, "")
        await w.pass_time(1)
        assert w.runner.made["readiness"] == 0
        await w.pass_time(1)
        assert w.runner.made["readiness"] == 1


@pytest.mark.parametrize("how", ["removed", "stopped"])
async def test_probes_end_with_the_container(how):
    async with world() as w:
        a_pod = pod(readiness={"periodSeconds": 1})
        w.run(a_pod)
        await w.pass_time(1)
        if how == "removed":
            w.manager.remove(UID)
        else:
            w.manager.update(a_pod, {}, "")
        before = w.runner.made["readiness"]
        await w.pass_time(3)
        assert before == w.runner.made["readiness"]
        assert w.manager.readiness(UID, "c1") is None
        assert not w.manager.started(UID, "c1")


async def test_a_restarted_kubelet_trusts_the_status_of_the_same_container():
    async with world() as w:
        status = {"containerStatuses": [{"name": "c", "ready": True, "started": True, "containerID": "docker://c1"}]}  # fmt: skip
        a_pod = pod(status=status, readiness={}, startup={})
        w.run(a_pod)
        assert w.manager.started(UID, "c1")
        assert w.manager.readiness(UID, "c1") is True
        w.run(a_pod, "c2")
        assert w.manager.readiness(UID, "c2") is False


async def test_no_probe_means_started_and_nothing_to_say_of_readiness():
    async with world() as w:
        w.run(pod())
        assert w.manager.started(UID, "c1")
        assert w.manager.readiness(UID, "c1") is None
