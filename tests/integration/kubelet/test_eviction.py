"""A pod that takes more than it may of the node's disk has to go, and says why."""

import pytest

from tests.integration.kubelet.test_pods import TRAP, container, phase, pods, running

__all__ = ["pods"]  # a fixture

pytestmark = pytest.mark.e2e


async def test_a_pod_beyond_its_volumes_limit_is_evicted(kubelet, pods):
    mount = {"name": "v", "mountPath": "/v"}
    writer = f"/bin/busybox dd if=/dev/zero of=/v/f bs=1M count=4; {TRAP}"
    limited = {"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}
    await pods("greedy", container(writer, volumeMounts=[mount]), volumes=[limited])
    await pods("modest", container(volumeMounts=[mount]), volumes=[limited])
    await kubelet.until("modest", running)
    pod = await kubelet.until("greedy", phase("Failed"), 60.0)
    assert pod.status.reason == "Evicted"
    assert pod.status.message == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    condition = next(c for c in pod.status.conditions if c.type == "DisruptionTarget")
    assert (condition.status, condition.reason) == ("True", "TerminationByKubelet")
    await kubelet.until("greedy", lambda pod: pod.status.container_statuses[0].state.terminated)
    assert (await kubelet.until("modest", running)).status.phase == "Running"
