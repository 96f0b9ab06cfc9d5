"""Pods on a real node: a kubelet process, a Docker Engine, CNI, and the real API server."""

import asyncio
import signal
import time

import pytest

from wherry.api.core_v1 import ConfigMap, Pod
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta

pytestmark = pytest.mark.e2e

TRAP = "trap 'exit 0' TERM; while :; do /bin/sleep 1000 & wait $!; done"


def container(script=TRAP, name="c", **more):
    return {"name": name, "image": "local/busybox:1", "command": ["/bin/sh", "-c", script]} | more


def manifest(name, *containers, node="n1", **spec):
    return Pod.from_wire(
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "nodeName": node,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 3,
                "containers": list(containers) or [container()],
                **spec,
            },
        }
    )


@pytest.fixture
async def pods(kubelet):
    """Makes pods and takes them away again."""
    made = []

    async def create(name, *containers, **spec):
        made.append(name)
        return await kubelet.client.create(manifest(name, *containers, **spec))

    yield create
    for name in made:
        try:
            await kubelet.client.delete(Pod, name, "default", grace_period_seconds=1)
        except ApiError:
            continue
        await kubelet.until_gone(name)


def running(pod):
    return pod.status.phase == "Running" and all(s.ready for s in pod.status.container_statuses)


def phase(wanted):
    return lambda pod: pod.status.phase == wanted


def waiting(reason, index=0):
    def holds(pod):
        statuses = pod.status.container_statuses
        return bool(statuses) and (
            statuses[index].state.waiting is not None
            and statuses[index].state.waiting.reason == reason
        )

    return holds


def inside(kubelet, name, *command):
    """Run a command in the pod's container c."""
    label = "label=io.kubernetes.container.name=c"
    found = kubelet.machine.docker(
        "ps", "-q", "-f", f"label=io.kubernetes.pod.name={name}", "-f", label
    ).stdout.split()
    return kubelet.machine.docker("exec", found[0], "/bin/busybox", *command).stdout


async def test_a_pod_lives_and_leaves_nothing(kubelet, pods):
    made = await pods(
        "life", container(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}])
    )
    found = await kubelet.until("life", running)
    status = found.status
    assert status.pod_ip.startswith("10.244.1.")
    assert status.host_ip == kubelet.machine.address
    assert all(c.status == "True" for c in status.conditions)
    assert status.container_statuses[0].container_id.removeprefix(
        "docker://"
    ) in kubelet.containers("life")
    assert inside(kubelet, "life", "sh", "-c", "echo $B $HOSTNAME") == "12 life\n"
    assert f"{status.pod_ip}\tlife" in inside(kubelet, "life", "cat", "/etc/hosts")
    resolver = inside(kubelet, "life", "cat", "/etc/resolv.conf")
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in resolver
    assert "nameserver 10.96.0.10\noptions ndots:5" in resolver
    assert {
        (
            "Pulled",
            'Container image "local/busybox:1" already present on machine and can be accessed by the pod',
        ),
        ("Created", "Container created"),
        ("Started", "Container started"),
    } <= await kubelet.events("life")

    await kubelet.client.delete(Pod, "life", "default")
    await kubelet.until_gone("life")
    assert kubelet.containers("life", "-a") == []
    assert not (kubelet.root_dir / "pods" / made.metadata.uid).exists()
    leases = kubelet.root_dir / "cni" / "leases" / "wherry"
    assert not (leases / status.pod_ip).exists()
    assert kubelet.machine.cgroups(f"pod{made.metadata.uid}") == []


@pytest.mark.parametrize(
    ("policy", "code", "wanted", "reason"),
    [
        ("Never", 0, "Succeeded", "Completed"),
        ("OnFailure", 0, "Succeeded", "Completed"),
        ("Never", 3, "Failed", "Error"),
    ],
)
async def test_a_pod_ends(kubelet, pods, policy, code, wanted, reason):
    name = f"end-{policy.lower()}-{code}"
    script = f"echo last words > /dev/termination-log; exit {code}"
    await pods(name, container(script), restartPolicy=policy)
    found = await kubelet.until(name, phase(wanted))
    ended = found.status.container_statuses[0].state.terminated
    assert (ended.exit_code, ended.reason, ended.message) == (code, reason, "last words\n")
    assert found.status.container_statuses[0].restart_count == 0
    # The sandbox is gone, the container is kept for its log.
    async with asyncio.timeout(20):
        while len(kubelet.containers(name, "-a")) != 1:
            await asyncio.sleep(0.1)


async def test_the_end_of_the_log_can_be_the_message(kubelet, pods):
    broken = container("echo it broke; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    await pods("words", broken, restartPolicy="Never")
    found = await kubelet.until("words", phase("Failed"))
    assert found.status.container_statuses[0].state.terminated.message == "it broke\n"


async def test_a_crash_loop(kubelet, pods):
    await pods("crash", container("exit 7"))
    found = await kubelet.until("crash", waiting("CrashLoopBackOff"))
    one = found.status.container_statuses[0]
    assert one.restart_count == 1, "the first restart is at once, the second is waited for"
    assert one.last_state.terminated.exit_code == 7
    assert one.state.waiting.message.startswith(
        "back-off 10s restarting failed container=c pod=crash_default("
    )
    assert found.status.phase == "Running"
    later = await kubelet.until(
        "crash", lambda p: p.status.container_statuses[0].restart_count == 2
    )
    assert later.status.phase == "Running"
    message = f"Back-off restarting failed container c in pod crash_default({found.metadata.uid})"
    assert ("BackOff", message) in await kubelet.events("crash")


async def test_init_containers_and_a_sidecar(kubelet, pods):
    init = [
        container("echo 1 > /w/one", "one", volumeMounts=[{"name": "w", "mountPath": "/w"}]),
        container(name="side", restartPolicy="Always"),
        container("cat /w/one && echo 2 > /w/two", "two", volumeMounts=[{"name": "w", "mountPath": "/w"}]),
    ]  # fmt: skip
    main = container(
        "test -f /w/two && exit 0; exit 9", volumeMounts=[{"name": "w", "mountPath": "/w"}]
    )
    init[2]["command"] = ["/bin/busybox", "sh", "-c", "/bin/busybox cat /w/one && echo 2 > /w/two"]
    await pods(
        "init",
        main,
        initContainers=init,
        volumes=[{"name": "w", "emptyDir": {}}],
        restartPolicy="Never",
    )
    found = await kubelet.until("init", phase("Succeeded"))
    ends = {s.name: s.state.terminated for s in found.status.init_container_statuses}
    assert (ends["one"].exit_code, ends["two"].exit_code) == (0, 0)
    assert ends["one"].finished_at <= ends["two"].started_at
    ended = await kubelet.until(
        "init", lambda p: p.status.init_container_statuses[1].state.terminated is not None
    )
    assert ended.status.phase == "Succeeded"


async def test_a_failed_init_container(kubelet, pods):
    await pods("noinit", initContainers=[container("exit 1", "i")], restartPolicy="Never")
    found = await kubelet.until("noinit", phase("Failed"))
    assert found.status.container_statuses[0].container_id == ""


async def test_images_that_are_not_here(kubelet, pods):
    await pods("never", container(image="127.0.0.1:1/x:1", imagePullPolicy="Never"))
    await kubelet.until("never", waiting("ErrImageNeverPull"))
    await pods("wrong", container(image="NOT A NAME"))
    await kubelet.until("wrong", waiting("InvalidImageName"))
    await pods("pull", container(image="127.0.0.1:1/x:1"))
    await kubelet.until("pull", waiting("ErrImagePull"))
    found = await kubelet.until("pull", waiting("ImagePullBackOff"))
    message = found.status.container_statuses[0].state.waiting.message
    assert message.startswith('Back-off pulling image "127.0.0.1:1/x:1": ErrImagePull: ')
    assert found.status.phase == "Pending"


async def test_a_command_that_is_not_there(kubelet, pods):
    await pods("nocommand", container(command=["/no/such"]), restartPolicy="Never")
    found = await kubelet.until("nocommand", phase("Failed"))
    ended = found.status.container_statuses[0].state.terminated
    assert (ended.reason, ended.exit_code) == ("StartError", 128)
    assert "no such file" in ended.message


async def test_grace_is_kept_and_then_over(kubelet, pods):
    await pods("deaf", container("trap '' TERM; while :; do /bin/sleep 1; done"))
    await kubelet.until("deaf", running)
    begun = time.monotonic()
    await kubelet.client.delete(Pod, "deaf", "default", grace_period_seconds=2)
    await kubelet.until_gone("deaf")
    assert 1.9 <= time.monotonic() - begun < 20  # its own is 30 s


async def test_a_pod_can_be_deleted_while_it_pulls(kubelet, pods):
    await pods("early", container(image="127.0.0.1:1/x:1"))
    await kubelet.until("early", lambda p: p.status.start_time is not None)
    await kubelet.client.delete(Pod, "early", "default")
    await kubelet.until_gone("early")


async def test_what_is_missing_is_waited_for(kubelet, pods):
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}]
    await pods("config", container(env=env))
    found = await kubelet.until("config", waiting("CreateContainerConfigError"))
    assert found.status.container_statuses[0].state.waiting.message == 'configmap "late" not found'
    late = ConfigMap(metadata=ObjectMeta(name="late", namespace="default"), data={"a": "now"})
    await kubelet.client.create(late)
    await kubelet.until("config", running)
    assert inside(kubelet, "config", "sh", "-c", "echo $A") == "now\n"
    await kubelet.client.delete(ConfigMap, "late", "default")


async def test_liveness_restarts(kubelet, pods):
    probe = {
        "exec": {"command": ["/bin/busybox", "test", "!", "-f", "/ill"]},
        "periodSeconds": 1,
        "failureThreshold": 1,
    }
    await pods("live", container(livenessProbe=probe))
    first = await kubelet.until("live", running)
    inside(kubelet, "live", "touch", "/ill")
    again = await kubelet.until(
        "live", lambda p: p.status.container_statuses[0].restart_count == 1 and running(p)
    )
    assert (
        again.status.container_statuses[0].container_id
        != first.status.container_statuses[0].container_id
    )
    events = await kubelet.events("live")
    assert ("Killing", "Container c failed liveness probe, will be restarted") in events
    assert any(reason == "Unhealthy" for reason, _ in events)


async def test_a_lost_sandbox_is_replaced(kubelet, pods):
    await pods("box", container())
    await kubelet.until("box", running)
    label = "label=io.wherry.type=sandbox"
    box = kubelet.machine.docker(
        "ps", "-q", "-f", "label=io.kubernetes.pod.name=box", "-f", label
    ).stdout.split()
    kubelet.machine.docker("kill", *box)
    found = await kubelet.until(
        "box", lambda p: p.status.container_statuses[0].restart_count == 1 and running(p)
    )
    assert found.status.pod_ip in inside(kubelet, "box", "cat", "/etc/hosts")
    assert (
        "SandboxChanged",
        "Pod sandbox changed, it will be killed and re-created.",
    ) in await kubelet.events("box")


async def test_the_nodes_own_network(kubelet, pods):
    await pods("host", hostNetwork=True)
    found = await kubelet.until("host", running)
    assert found.status.pod_ip == kubelet.machine.address
    assert "uplink" in inside(kubelet, "host", "cat", "/proc/net/dev")


async def test_too_large_pods_are_refused(kubelet, pods):
    await pods("large", container(resources={"requests": {"cpu": "1000"}}))
    found = await kubelet.until("large", phase("Failed"))
    assert found.status.reason == "OutOfcpu"
    assert found.status.message.startswith(
        "Pod was rejected: Node didn't have enough resource: cpu"
    )
    assert kubelet.containers("large", "-a") == []


async def test_a_deadline_ends_a_pod(kubelet, pods):
    await pods("deadline", activeDeadlineSeconds=2)
    found = await kubelet.until("deadline", phase("Failed"))
    assert found.status.reason == "DeadlineExceeded"
    async with asyncio.timeout(20):
        while kubelet.containers("deadline"):
            await asyncio.sleep(0.1)


class TestRestart:
    """A kubelet that dies at any instant and comes back."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    async def test_containers_run_on(self, kubelet, pods, number):
        name = f"stay-{number.name.lower()}"
        await pods(name)
        before = await kubelet.until(name, running)
        kubelet.stop(number)
        kept = kubelet.containers(name)
        kubelet.start()
        await pods(f"{name}-next")
        await kubelet.until(f"{name}-next", running)
        after = await kubelet.until(name, running)
        assert kubelet.containers(name) == kept
        assert after.status.container_statuses == before.status.container_statuses
        assert after.status.pod_ip == before.status.pod_ip

    async def test_what_was_deleted_meanwhile_is_ended(self, kubelet, pods):
        await pods("lost")
        await pods("leaving")
        await kubelet.until("lost", running)
        await kubelet.until("leaving", running)
        kubelet.stop()
        await kubelet.client.delete(Pod, "lost", "default", grace_period_seconds=0)
        await kubelet.client.delete(Pod, "leaving", "default", grace_period_seconds=2)
        kubelet.start()
        await kubelet.until_gone("leaving")
        async with asyncio.timeout(30):
            while kubelet.containers("lost", "-a"):
                await asyncio.sleep(0.1)

    async def test_a_container_that_ended_meanwhile_is_restarted(self, kubelet, pods):
        await pods("crashed")
        before = await kubelet.until("crashed", running)
        kubelet.stop(signal.SIGKILL)
        kubelet.machine.docker(
            "kill", before.status.container_statuses[0].container_id.removeprefix("docker://")
        )
        kubelet.start()
        found = await kubelet.until(
            "crashed", lambda p: p.status.container_statuses[0].restart_count == 1 and running(p)
        )
        assert found.status.container_statuses[0].last_state.terminated.exit_code == 137


async def test_foreign_containers_are_left_alone(kubelet, pods):
    stranger = kubelet.machine.docker(
        "run", "-d", "--network", "none", "--label", "io.kubernetes.pod.uid=x",
        "local/busybox:1", "/bin/sleep", "1000",
    ).stdout.strip()  # fmt: skip
    kubelet.stop()
    kubelet.start()
    await pods("neighbour")
    await kubelet.until("neighbour", running)
    state = kubelet.machine.docker("inspect", "-f", "{{.State.Running}}", stranger).stdout.strip()
    assert state == "true"
    kubelet.machine.docker("rm", "-f", stranger)


async def test_a_lost_api_server_changes_nothing(kubelet, relay, pods):
    await pods("cut")
    before = await kubelet.until("cut", running)
    id = before.status.container_statuses[0].container_id.removeprefix("docker://")
    relay.shut()
    try:
        kubelet.machine.docker("kill", id)
        async with asyncio.timeout(20):  # it is restarted though nobody can be told
            while len(kubelet.containers("cut")) != 2:
                await asyncio.sleep(0.1)
    finally:
        relay.open()
    found = await kubelet.until(
        "cut", lambda p: p.status.container_statuses[0].restart_count == 1 and running(p), 60
    )
    assert found.status.container_statuses[0].last_state.terminated.exit_code == 137


async def test_many_at_once(kubelet, pods):
    names = [f"many-{n}" for n in range(8)]
    for name in names:
        await pods(name)
    found = [await kubelet.until(name, running) for name in names]
    assert len({pod.status.pod_ip for pod in found}) == len(names)


async def test_a_restarted_engine(kubelet, pods):
    """It takes every container with it; the node says so, and everything comes back."""
    await pods("engine", initContainers=[container("exit 0", "i")])
    await kubelet.until("engine", running)
    kubelet.machine.stop_engine()
    await kubelet.until_node("False")
    kubelet.machine.start_engine()
    await kubelet.until_node("True")
    found = await kubelet.until(
        "engine", lambda p: p.status.container_statuses[0].restart_count == 1 and running(p)
    )
    assert found.status.init_container_statuses[0].restart_count == 1
