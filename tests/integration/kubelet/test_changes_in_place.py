"""What changes in a running pod: ephemeral containers come in, cpu and memory change."""

import asyncio

import pytest

from tests.integration.kubelet.test_pods import container, pods, running
from wherry.api.core_v1 import Pod

pytestmark = pytest.mark.e2e
__all__ = ["pods"]


async def debug(kubelet, name, **fields):
    debugger = {"name": "d", "image": "local/busybox:1"} | fields
    await kubelet.client.patch(
        Pod, name, "default", {"spec": {"ephemeralContainers": [debugger]}},
        type="strategic", subresource="ephemeralcontainers",
    )  # fmt: skip


def debugger_state(pod):
    found = pod.status.ephemeral_container_statuses
    return found[0].state if found else None


async def test_an_ephemeral_container_sees_its_targets_processes(kubelet, pods):
    await pods("debugged")
    await kubelet.until("debugged", running)
    await debug(
        kubelet, "debugged", targetContainerName="c",
        command=["/bin/sh", "-c", "cat /proc/1/cmdline > /dev/termination-log; exit 3"],
    )  # fmt: skip
    found = await kubelet.until(
        "debugged", lambda pod: (s := debugger_state(pod)) is not None and s.terminated is not None
    )
    ended = debugger_state(found).terminated
    assert ended.exit_code == 3
    assert "trap" in ended.message, "its first process is the target's"
    assert found.status.observed_generation == 2
    assert running(found), "the others go on"
    # A kubelet looks again and again, and never runs it twice.
    await asyncio.sleep(0.5)
    assert len(kubelet.containers("debugged", "-a")) == 3
    assert ("Started", "Container started") in await kubelet.events("debugged")


async def test_a_target_that_is_not_there_is_told(kubelet, pods):
    await pods("mistargeted", container(name="c"), initContainers=[container("exit 0", "i")])
    await kubelet.until("mistargeted", running)
    await debug(kubelet, "mistargeted", targetContainerName="i")
    found = await kubelet.until(
        "mistargeted",
        lambda pod: (
            (s := debugger_state(pod)) is not None
            and s.waiting is not None
            and s.waiting.reason == "CreateContainerConfigError"
        ),
    )
    assert debugger_state(found).waiting.message == "unable to find target container i"
