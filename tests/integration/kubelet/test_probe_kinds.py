"""Probes that need a server of their kind: gRPC's health service; and what a privileged container may."""

import subprocess
import sys

import pytest

from tests.integration.kubelet.test_pods import container, phase, pods, running

__all__ = ["pods"]
pytestmark = pytest.mark.e2e

PORT = 5051
SERVING, NOT_SERVING = 1, 2


@pytest.fixture
def health(kubelet, tmp_path):
    """Says what the health server on the machine's address answers, by service ("-": none named)."""
    states = tmp_path / "states"

    def say(**services):
        draft = tmp_path / "draft"
        draft.write_text("".join(f"{name} {state}\n" for name, state in services.items()))
        draft.rename(states)

    say(web=SERVING)
    command = [
        *kubelet.machine.enter, sys.executable, "-m", "tests.integration.kubelet.grpc_health",
        f"{kubelet.machine.address}:{PORT}", str(states),
    ]  # fmt: skip
    server = subprocess.Popen(command)
    yield say
    server.kill()
    server.wait(10)


async def test_grpc_probes(kubelet, pods, health):
    grpc = {"port": PORT, "service": "web"}
    probed = container(
        startupProbe={"grpc": grpc, "periodSeconds": 1, "failureThreshold": 60},
        readinessProbe={"grpc": grpc, "periodSeconds": 1, "failureThreshold": 1},
    )
    await pods("grpc", probed, hostNetwork=True)
    await kubelet.until("grpc", running)
    health(web=NOT_SERVING)
    await kubelet.until("grpc", lambda pod: not running(pod))
    health(web=SERVING)
    await kubelet.until("grpc", running)
    told = [message for reason, message in await kubelet.events("grpc") if reason == "Unhealthy"]
    assert 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")' in told, told


MOUNTS = "cd /bin; ./busybox mkdir /m && ./busybox mount -t tmpfs t /m && [ -c /dev/kmsg ]"


@pytest.mark.parametrize(("privileged", "ends"), [(True, "Succeeded"), (False, "Failed")])
async def test_what_a_privileged_container_may(kubelet, pods, privileged, ends):
    name = f"may-{privileged}".lower()
    one = container(
        MOUNTS, securityContext={"privileged": privileged},
        terminationMessagePolicy="FallbackToLogsOnError",
    )  # fmt: skip
    await pods(name, one, restartPolicy="Never")
    found = await kubelet.until(name, lambda p: p.status.phase in ("Succeeded", "Failed"))
    assert phase(ends)(found), found.status.container_statuses[0].state.terminated.message
