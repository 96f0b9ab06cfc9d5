"""An image's files as a volume."""

import pytest

from tests.integration.kubelet.test_pods import container, inside, pods, running
from wherry.api.core_v1 import Pod

__all__ = ["pods"]  # a fixture

pytestmark = pytest.mark.e2e


def holders(kubelet):
    return kubelet.machine.docker("ps", "-aq", "-f", "name=k8s-image-volume").stdout.split()


async def test_a_pod_reads_an_images_files_and_leaves_nothing(kubelet, pods):
    volume = {"name": "v", "image": {"reference": "local/busybox:1"}}
    mount = {"name": "v", "mountPath": "/v"}
    pod = await pods("reader", container(volumeMounts=[mount]), volumes=[volume])
    await kubelet.until("reader", running)
    assert "busybox" in inside(kubelet, "reader", "ls", "/v/bin")
    inside(kubelet, "reader", "sh", "-c", "touch /v/x || true")
    assert "x" not in inside(kubelet, "reader", "ls", "/v").split()
    assert len(holders(kubelet)) == 1
    await kubelet.client.delete(Pod, "reader", "default", grace_period_seconds=1)
    await kubelet.until_gone("reader")
    assert holders(kubelet) == []
    assert not (kubelet.root_dir / "pods" / pod.metadata.uid).exists()


async def test_an_image_that_is_not_there_is_said_to_be_missing(kubelet, pods):
    volume = {"name": "v", "image": {"reference": "local/none:1", "pullPolicy": "Never"}}
    mount = {"name": "v", "mountPath": "/v"}
    await pods("waiter", container(volumeMounts=[mount]), volumes=[volume])

    def waits(pod):
        statuses = pod.status.container_statuses
        return bool(statuses) and (
            statuses[0].state.waiting is not None
            and statuses[0].state.waiting.reason == "ErrImageNeverPull"
        )

    await kubelet.until("waiter", waits)
