"""`kubectl debug`: a look into a running container from a container beside it."""

from __future__ import annotations

import pytest

from tests.e2e.support import IMAGE, Cluster, typed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_debug_attaches_to_a_container_that_sees_the_target(
    cluster: Cluster, namespace: str
) -> None:
    container = {"name": "app", "image": IMAGE, "command": ["sleep", "4321"]}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "quiet", "namespace": namespace},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
        }
    )
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/quiet", "--timeout=60s")
    command = ["kubectl", "--kubeconfig", cluster.kubeconfig, "debug", "-it", "quiet"]
    command += ["-n", namespace, f"--image={IMAGE}", "--target=app", "-c", "looker", "--", "sh"]
    shown = typed(command, b"tr '\\0' ' ' < /proc/1/cmdline; echo; exit\n")
    assert "sleep 4321" in shown
    pod = cluster.get("pod", "quiet", "-n", namespace)
    [status] = pod["status"]["ephemeralContainerStatuses"]
    assert status["name"] == "looker"
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
