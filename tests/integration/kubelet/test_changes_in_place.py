"""What changes in a running pod: ephemeral containers come in, cpu and memory change."""

import asyncio

import pytest

from tests.integration.kubelet.test_pods import container, pods, running
from wherry.api import quantity
from wherry.api.core_v1 import Node, Pod

pytestmark = pytest.mark.e2e
__all__ = ["pods"]
MEMORY, QUOTA, SHARES = "memory.limit_in_bytes", "cpu.cfs_quota_us", "cpu.shares"


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


def resources(cpu, memory, request="50m"):
    return {
        "limits": {"cpu": cpu, "memory": memory},
        "requests": {"cpu": request, "memory": "16Mi"},
    }


async def resize(kubelet, name, wanted):
    body = {"spec": {"containers": [{"name": "c", "resources": wanted}]}}
    return await kubelet.client.patch(
        Pod, name, "default", body, type="strategic", subresource="resize"
    )


def applied(pod, wanted):
    """Whether the pod's first container has these and nothing of a resize is left to do."""
    statuses = pod.status.container_statuses
    return (
        bool(statuses)
        and statuses[0].resources is not None
        and statuses[0].resources.to_wire() == wanted
        and not {c.type for c in pod.status.conditions if c.type.startswith("PodResize")}
    )


def limits(kubelet, pod):
    """Bytes, microseconds, shares: as the kernel has them."""
    id = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    found = [path.parent for path in kubelet.machine.cgroups(id) for path in path.iterdir()]
    values = {}
    for folder in set(found):
        for name in (MEMORY, QUOTA, SHARES):
            if (folder / name).exists():
                values[name] = int((folder / name).read_text())
    return values


async def test_cpu_and_memory_change_in_place(kubelet, pods):
    await pods("resized", container(resources=resources("200m", "64Mi")))
    before = await kubelet.until("resized", running)
    for wanted, numbers in (
        (resources("300m", "96Mi", "100m"), {MEMORY: 96 << 20, QUOTA: 30_000, SHARES: 102}),
        (resources("100m", "32Mi"), {MEMORY: 32 << 20, QUOTA: 10_000, SHARES: 51}),
    ):
        made = await resize(kubelet, "resized", wanted)
        found = await kubelet.until(
            "resized",
            lambda pod, w=wanted, g=made.metadata.generation: (
                applied(pod, w) and pod.status.observed_generation == g
            ),
        )
        assert limits(kubelet, found) == numbers
        assert found.status.container_statuses[0].allocated_resources == wanted["requests"]
    one, other = before.status.container_statuses[0], found.status.container_statuses[0]
    assert (one.container_id, one.restart_count) == (other.container_id, other.restart_count)
    reasons = {reason for reason, _ in await kubelet.events("resized")}
    assert {"ResizeStarted", "ResizeCompleted"} <= reasons


async def test_a_container_that_must_start_anew_for_memory(kubelet, pods):
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    await pods("anew", container(resources=resources("200m", "64Mi"), resizePolicy=policy))
    await kubelet.until("anew", running)
    wanted = resources("200m", "128Mi")
    await resize(kubelet, "anew", wanted)
    found = await kubelet.until("anew", lambda pod: applied(pod, wanted) and running(pod))
    assert found.status.container_statuses[0].restart_count == 1
    assert limits(kubelet, found)[MEMORY] == 128 << 20


async def test_more_than_the_node_has_waits_and_says_so(kubelet, pods):
    first = resources("200m", "64Mi")
    await pods("greedy", container(resources=first))
    before = await kubelet.until("greedy", running)
    await resize(kubelet, "greedy", resources("900", "64Mi", "800"))
    found = await kubelet.until(
        "greedy", lambda pod: any(c.type == "PodResizePending" for c in pod.status.conditions)
    )
    [pending] = [c for c in found.status.conditions if c.type == "PodResizePending"]
    assert pending.reason == "Infeasible"
    assert pending.message.startswith("Node didn't have enough capacity: cpu, requested: 800000")
    assert found.status.container_statuses[0].allocated_resources == first["requests"]
    # The wish is taken back: nothing of it is left, and nothing happened to the container.
    await resize(kubelet, "greedy", first)
    after = await kubelet.until("greedy", lambda pod: applied(pod, first))
    one, other = before.status.container_statuses[0], after.status.container_statuses[0]
    assert (one.container_id, one.restart_count) == (other.container_id, other.restart_count)


async def test_a_resize_waits_for_room(kubelet, pods):
    node = await kubelet.client.get(Node, "n1")
    whole = quantity.milli(node.status.allocatable["cpu"])
    most, half = (quantity.canonical(f"{part}m") for part in (whole * 7 // 10, whole // 2))
    await pods("holder", container(resources={"requests": {"cpu": most}}))
    await pods("patient", container(resources={"requests": {"cpu": "50m"}}))
    await kubelet.until("holder", running)
    await kubelet.until("patient", running)
    await resize(kubelet, "patient", {"requests": {"cpu": half}})
    waiting = await kubelet.until(
        "patient", lambda pod: any(c.type == "PodResizePending" for c in pod.status.conditions)
    )
    [pending] = [c for c in waiting.status.conditions if c.type == "PodResizePending"]
    assert (pending.reason, pending.observed_generation) == ("Deferred", 2)
    assert pending.message.startswith("Node didn't have enough resource: cpu, requested: ")
    # Room is made: the resize goes on by itself.
    await kubelet.client.delete(Pod, "holder", "default", grace_period_seconds=1)
    await kubelet.until("patient", lambda pod: applied(pod, {"requests": {"cpu": half}}))


async def test_the_pods_own_group_is_bounded_and_follows(kubelet, pods):
    """Around all containers, so that what none of them owns counts too."""

    def limits(uid):
        files = [folder / MEMORY for folder in kubelet.machine.cgroups(f"pod{uid}")]
        return {int(file.read_text()) for file in files if file.exists()}

    both = {"cpu": "100m", "memory": "32Mi"}
    await pods("bounded", container(resources={"requests": both, "limits": both}))
    pod = await kubelet.until("bounded", running)
    assert limits(pod.metadata.uid) == {32 << 20}
    more = {"cpu": "100m", "memory": "48Mi"}
    change = {
        "spec": {"containers": [{"name": "c", "resources": {"requests": more, "limits": more}}]}
    }
    await kubelet.client.patch(
        type(pod), "bounded", "default", change, type="strategic", subresource="resize"
    )
    await kubelet.until("bounded", lambda _: limits(pod.metadata.uid) == {48 << 20})
