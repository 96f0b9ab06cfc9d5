"""An engine that keeps its socket and answers nothing: the node says so, and nothing is lost by it."""

import asyncio
import signal

import pytest

from tests.integration.kubelet.test_pods import container, pods, running
from wherry.api.core_v1 import Node

__all__ = ["pods"]
pytestmark = pytest.mark.e2e

CHECKED = {
    "exec": {"command": ["/bin/sh", "-c", "true"]},
    "periodSeconds": 1,
    "failureThreshold": 1,
}


@pytest.fixture
def hung_engine(kubelet):
    engine = kubelet.machine.process
    engine.send_signal(signal.SIGSTOP)
    yield engine
    engine.send_signal(signal.SIGCONT)


async def ready_message(kubelet):
    node = await kubelet.client.get(Node, kubelet.name)
    return next(c.message for c in node.status.conditions if c.type == "Ready")


def runs(pod):
    return {s.name: (s.container_id, s.restart_count) for s in pod.status.container_statuses}


async def test_a_hung_engine_is_told_of_and_costs_nothing(kubelet, pods, request):
    probed = container(livenessProbe=CHECKED, readinessProbe=CHECKED)
    await pods("stays", probed, container(name="other"))
    before = await kubelet.until("stays", running)
    engine = request.getfixturevalue("hung_engine")
    await pods("comes")
    await kubelet.until_node("False", 60)
    assert "container runtime is down" in await ready_message(kubelet)
    during = await kubelet.until("stays", lambda pod: True)
    assert (during.status.phase, runs(during)) == ("Running", runs(before)), "no end was seen"
    engine.send_signal(signal.SIGCONT)
    await kubelet.until_node("True")
    await kubelet.until("comes", running)
    after = await kubelet.until("stays", running)
    assert runs(after) == runs(before), "nothing was restarted"
    async with asyncio.timeout(20):  # one sandbox and its containers, and nothing half made
        while [len(kubelet.containers(name, "-a")) for name in ("stays", "comes")] != [3, 2]:
            await asyncio.sleep(0.1)
