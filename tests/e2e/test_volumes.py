"""A claim just works, and what is written stays until the claim goes."""

from __future__ import annotations

import pytest

from tests.e2e.support import IMAGE, Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def claim(namespace: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }


def pod(namespace: str, name: str, script: str) -> dict[str, object]:
    mount = {"name": "data", "mountPath": "/data"}
    container = {
        "name": "app", "image": IMAGE, "command": ["sh", "-c", script], "volumeMounts": [mount],
        "securityContext": {"runAsUser": 1000},
    }  # fmt: skip
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container], "volumes": [volume], "restartPolicy": "Never"},
    }


def ends(cluster: Cluster, namespace: str, name: str, script: str) -> str:
    """Run a pod to its end; the node it ran on."""
    cluster.apply(pod(namespace, name, script))
    wait(
        lambda: cluster.get("pod", name, "-n", namespace)["status"].get("phase") == "Succeeded",
        f"the end of {name}",
    )
    return str(cluster.get("pod", name, "-n", namespace)["spec"]["nodeName"])


def test_a_claim_gets_a_folder_of_the_node_and_gives_it_back(
    cluster: Cluster, namespace: str
) -> None:
    cluster.apply(claim(namespace))
    found = cluster.get("pvc", "data", "-n", namespace)
    assert found["spec"]["storageClassName"] == "local-path"
    first = ends(cluster, namespace, "writer", "echo kept > /data/file")
    second = ends(cluster, namespace, "reader", "grep kept /data/file")
    assert first == second
    found = cluster.get("pvc", "data", "-n", namespace)
    assert found["status"]["phase"] == "Bound"
    volume = found["spec"]["volumeName"]
    folder = cluster.directory / "volumes" / f"{volume}_{namespace}_data"
    assert (folder / "file").read_text() == "kept\n"
    cluster.kubectl("delete", "pods", "--all", "-n", namespace)
    cluster.kubectl("delete", "pvc", "data", "-n", namespace)
    wait(lambda: not cluster.get("pv")["items"], "the volume's end")
    assert not folder.exists()
