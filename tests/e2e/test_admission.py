"""Admission in a cluster as `up` and `lab` make it: what a node's credentials are good for; Pod Security."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.support import IMAGE, Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def pod(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": IMAGE, "command": ["httpd", "-f", "-p", "8080"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


def test_a_nodes_credentials_write_nothing_but_its_own(cluster: Cluster, namespace: str) -> None:
    first, second = cluster.machines[:2]
    for name, machine in (("mine", first), ("theirs", second)):
        cluster.apply(pod(name, namespace, nodeName=machine))

    def as_first(*words: str) -> str:
        """kubectl with the kubeconfig of the first machine's kubelet; what it said."""
        file = cluster.directory / first / f"kubelet-{first}.kubeconfig"
        return cluster.kubectl("--kubeconfig", str(file), *words, check=False)

    assert "labeled" in as_first("label", "node", first, "mine=x")
    label = "node-restriction.kubernetes.io/secrets=yes"
    assert "is not allowed to modify labels: node-restriction" in as_first(
        "label", "node", first, label
    )
    assert "is not allowed to modify taints" in as_first("taint", "node", first, "a=b:NoSchedule")
    assert "forbidden" in as_first("label", "node", second, "mine=x")
    assert "can only delete pods with spec.nodeName set to itself" in as_first(
        "delete", "pod", "theirs", "-n", namespace, "--wait=false"
    )
    assert "node requested token not bound to a pod" in as_first(
        "create", "token", "default", "-n", namespace
    )
    assert 'deleted' in as_first("delete", "pod", "mine", "-n", namespace, "--wait=false")  # fmt: skip
    cluster.kubectl("label", "node", first, "mine-")


def test_a_namespace_that_asks_for_it_lets_no_privileged_pod_in(
    cluster: Cluster, namespace: str
) -> None:
    label = "pod-security.kubernetes.io/enforce=baseline"
    cluster.kubectl("label", "namespace", namespace, label)
    said = cluster.kubectl(
        "run", "p", f"--image={IMAGE}", "-n", namespace, "--privileged", check=False
    )
    assert 'violates PodSecurity "baseline:latest": privileged (container "p"' in said
    cluster.apply(pod("plain", namespace))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/plain", "-n", namespace, "--timeout=60s")
    said = cluster.kubectl(
        "debug", "plain", "-n", namespace, f"--image={IMAGE}", "--profile=netadmin",
        "--target=c", "--attach=false", check=False,
    )  # fmt: skip
    assert 'violates PodSecurity "baseline:latest": non-default capabilities' in said
