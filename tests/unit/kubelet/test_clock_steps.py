"""A machine's clock that jumps: what waits, waits as long as it should; what is told, tells the new time."""

import asyncio
from datetime import UTC, datetime, timedelta

from kubelet.eviction.manager import EvictionManager, Reclaim
from kubelet.eviction.thresholds import NODE_DISK, Level, Policy, thresholds
from kubelet.node.status import is_due
from kubelet.probes.manager import ProbeManager
from kubelet.probes.state import Outcome, Result
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import FakeClock

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_node_reports_though_its_clock_was_set_back():
    assert not is_due(NOW, NOW + timedelta(seconds=10), 300)
    assert is_due(NOW, NOW + timedelta(seconds=300), 300)
    assert is_due(NOW, NOW - HOUR, 300)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_first_probe_waits_no_longer_than_it_should():
    clock, made = FakeClock(), []

    class Runner:
        async def probe(self, probe, container, container_id, pod_ip):
            made.append(container_id)
            return Outcome(Result.SUCCESS)

    manager = ProbeManager(Runner(), lambda uid: None, clock, lambda *words: None)
    probe = {"exec": {"command": ["x"]}, "initialDelaySeconds": 5}
    pod = Pod.from_wire(
        {
            "metadata": {"uid": "u"},
            "spec": {"containers": [{"name": "c", "readinessProbe": probe}]},
        }
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(manager.run())
        started_at = clock.now()
        clock.jump(-3600)
        manager.update(pod, {"c": ("c1", started_at)}, "10.0.0.1")
        await settle()
        clock.advance(5)
        await settle()
        running.cancel()
    assert made == ["c1"]


class NoPods:
    def pods(self):
        return []

    def evict(self, uid, message, grace_seconds):
        return None


async def test_a_soft_threshold_is_not_passed_by_a_jump():
    clock, said = FakeClock(), []
    found = thresholds([], ["nodefs.available<50%"], ["nodefs.available=1m"], [])
    manager = EvictionManager(
        Policy(found, 0.0, 0), NoPods(), stats=None, reclaim=Reclaim(settle, settle), clock=clock,
        levels=lambda: {NODE_DISK: Level(10, 100)}, say=lambda *words: said.append(words),
    )  # fmt: skip

    class NoStats:
        async def collect(self):
            return type("Nothing", (), {"pods": ()})

    manager._stats = NoStats()
    await manager.once()
    clock.jump(3600)
    await manager.once()
    assert said == []
    clock.advance(60)
    await manager.once()
    assert [reason for _, reason, _ in said] == ["EvictionThresholdMet"]
