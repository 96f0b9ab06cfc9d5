"""What a user sees when a machine falls silent, or the control plane's daemons are killed."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.e2e.support import IMAGE, Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
FAILOVER_SECONDS_MAX = 15.0


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> str:
    """A Deployment of two pods, one on each machine, ready."""
    labels = {"app": "web"}
    container = {"name": "c", "image": IMAGE, "command": ["sleep", "1000"]}
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
                },
            },
        }
    )
    cluster.kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=60s")
    return namespace


def running(cluster: Cluster, namespace: str, machine: str = "") -> list[str]:
    """The names of ready pods that nobody has begun to delete."""
    return [
        pod["metadata"]["name"]
        for pod in cluster.get("pods", "-n", namespace, "-l", "app=web")["items"]
        if "deletionTimestamp" not in pod["metadata"]
        and (not machine or pod["spec"].get("nodeName") == machine)
        and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in pod["status"].get("conditions", ())
        )
    ]


def test_a_silent_machines_pods_run_elsewhere_and_it_may_return(cluster: Cluster, web: str) -> None:
    stays, falls = cluster.machines
    assert len(running(cluster, web, falls)) == 1
    pid = cluster.daemon_pid(f"{falls}/kubelet")
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        wait(lambda: len(running(cluster, web, stays)) == 2, "both pods on the other machine")
        assert time.monotonic() - began < FAILOVER_SECONDS_MAX
        assert "NotReady" in cluster.kubectl("get", "node", falls)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait(lambda: "NotReady" not in cluster.kubectl("get", "node", falls), "the machine is back")
    docker = cluster.docker(falls)
    label = {"label": f"io.kubernetes.pod.namespace={web}"}
    wait(
        lambda: not docker.containers.list(filters=label, ignore_removed=True),
        "its replaced pod is stopped there",
    )
    docker.close()
    assert len(running(cluster, web)) == 2


@pytest.mark.parametrize("daemon", ["apiserver", "etcd", "controller-manager", "scheduler"])
def test_a_killed_daemon_comes_back_and_goes_on(cluster: Cluster, web: str, daemon: str) -> None:
    before = running(cluster, web)
    pid = cluster.daemon_pid(daemon)
    os.kill(pid, signal.SIGKILL)
    wait(lambda: cluster.daemon_pid(daemon) not in (0, pid), f"a new {daemon}")
    wait(lambda: cluster.lab_ready("apiserver"), "the API server answers")
    wait(lambda: "ok" in cluster.kubectl("get", "--raw", "/readyz", check=False), "and is ready")
    assert set(before) <= set(running(cluster, web))
    cluster.kubectl("scale", "deploy/web", "-n", web, "--replicas=3")
    wait(lambda: len(running(cluster, web)) == 3, "a third pod, so all daemons work")


def test_a_killed_engine_comes_back_and_its_pods_with_it(cluster: Cluster, web: str) -> None:
    machine = cluster.machines[1]
    name = f"{machine}/dockerd"
    pid = cluster.daemon_pid(name)
    os.kill(pid, signal.SIGKILL)
    wait(lambda: cluster.daemon_pid(name) not in (0, pid), "a new engine")
    wait(lambda: cluster.lab_ready(name), "the engine answers")

    def truthful() -> bool:
        """Every pod that the API calls ready on this machine has a running container there."""
        docker = cluster.docker(machine)
        there = {
            c.labels.get("io.kubernetes.pod.name")
            for c in docker.containers.list(ignore_removed=True)
            if c.labels.get("io.kubernetes.container.name") == "c"
        }
        docker.close()
        ready = set(running(cluster, web, machine))
        return ready <= there and len(running(cluster, web)) == 2

    wait(truthful, "what is said ready runs")
