"""The node itself: what it says of itself, its server, static pods (lines 5, 6 and 7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.pods import Pods, container, made, once, pod
from tests.e2e.support import IMAGE, Cluster, wait

TALK = "for n in 1 2 3 4 5; do echo line $n; done; echo wrong >&2; [ -e /v/again ] && exec sleep 1000; touch /v/again; exit 1"


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Pods]:
    mounts = [{"name": "v", "mountPath": "/v"}]
    with made(
        cluster, "node",
        pod("talker", container(TALK, volumeMounts=mounts), nodeName=cluster.machines[0],
            volumes=[{"name": "v", "emptyDir": {}}]),
        once("done", "echo first; sleep 1.2; echo second"),
    ) as found:  # fmt: skip
        yield found


def node(cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("node", name)
    return found


def test_a_node_tells_what_it_is(pods: Pods) -> None:
    cluster, name = pods.cluster, pods.cluster.machines[0]
    pods.ready("talker")
    found = node(cluster, name)
    status, labels = found["status"], found["metadata"]["labels"]
    assert (labels["kubernetes.io/hostname"], labels["kubernetes.io/os"]) == (name, "linux")
    addresses = {one["type"]: one["address"] for one in status["addresses"]}
    assert addresses["Hostname"] == name
    assert addresses["InternalIP"] in cluster.on(name, "ip", "-o", "addr")
    assert int(status["capacity"]["pods"]) == int(status["allocatable"]["pods"]) > 0
    for amount in ("cpu", "memory", "ephemeral-storage"):
        assert amount in status["capacity"]
        assert amount in status["allocatable"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True",
    }  # fmt: skip
    assert status["nodeInfo"]["containerRuntimeVersion"].startswith("docker://")
    wait(
        lambda: any(IMAGE in image["names"] for image in node(cluster, name)["status"]["images"]),
        "its image among the node's",
    )
    assert "ExtendWebSocketsToKubelet" in status["declaredFeatures"]


def test_its_lease_is_renewed(pods: Pods) -> None:
    cluster, name = pods.cluster, pods.cluster.machines[0]

    def renewed() -> str:
        found = cluster.get("lease", name, "-n", "kube-node-lease")
        assert found["spec"]["holderIdentity"] == name
        return str(found["spec"]["renewTime"])

    first = renewed()
    wait(lambda: renewed() > first, "the next heartbeat")


def test_its_server_answers(pods: Pods) -> None:
    cluster, name = pods.cluster, pods.cluster.machines[0]
    pods.ready("talker")

    def ask(path: str) -> str:
        return cluster.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/{path}")

    here = [one["metadata"]["name"] for one in json.loads(ask("pods"))["items"]]
    assert "talker" in here
    wait(
        lambda: (
            {"name": "c", "image": IMAGE}
            in [
                c
                for one in json.loads(ask("runningpods/"))["items"]
                if one["metadata"]["name"] == "talker"
                for c in one["spec"]["containers"]
            ]
        ),
        "the pod among those that run",
    )
    assert ask("healthz/syncloop") == "ok"
    config = json.loads(ask("configz"))["kubeletconfig"]
    assert config["kind"] == "KubeletConfiguration"
    assert "node_memory_working_set_bytes" in ask("metrics/resource")
    assert json.loads(ask("stats/summary"))["node"]["nodeName"] == name


def test_logs_in_all_their_forms(pods: Pods) -> None:
    pods.until("talker", lambda s: s["containerStatuses"][0]["restartCount"] == 1)
    pods.ready("talker")
    lines = [f"line {n}" for n in range(1, 6)]

    def logs(*options: str, name: str = "talker") -> list[str]:
        return pods.kubectl("logs", name, *options).splitlines()

    assert sorted(logs()) == [*lines, "wrong"]
    assert sorted(logs("--previous")) == [*lines, "wrong"]
    assert len(logs("--tail=2")) == 2
    assert len("\n".join(logs("--limit-bytes=9"))) == 9
    pods.ended("done")
    stamped = [line.partition(" ") for line in logs("--timestamps", name="done")]
    assert [text for _, _, text in stamped] == ["first", "second"]
    assert stamped[0][0] < stamped[1][0]
    assert logs(f"--since-time={stamped[1][0]}", name="done") == ["second"]
    assert logs("--follow", name="done") == ["first", "second"]


def test_a_file_on_a_machine_is_a_pod(pods: Pods) -> None:
    cluster, name = pods.cluster, pods.cluster.machines[1]
    folder = cluster.directory / name / "manifests"
    folder.mkdir(exist_ok=True)
    tree = pod("fixed")
    tree["metadata"]["namespace"] = pods.namespace
    del tree["spec"]["automountServiceAccountToken"]
    (folder / "fixed.json").write_text(json.dumps(tree))
    try:
        wait(lambda: f"fixed-{name}" in pods.kubectl("get", "pods", "-o", "name"), "the mirror pod")
        found = pods.ready(f"fixed-{name}")
        assert found["metadata"]["annotations"]["kubernetes.io/config.source"] == "file"
        id = found["status"]["containerStatuses"][0]["containerID"]
        pods.kubectl("delete", "pod", f"fixed-{name}", "--now")
        found = pods.ready(f"fixed-{name}")
        assert found["status"]["containerStatuses"][0]["containerID"] == id, "only its mirror went"
    finally:
        (folder / "fixed.json").unlink()
    wait(
        lambda: f"fixed-{name}" not in pods.kubectl("get", "pods", "-o", "name"),
        "the pod gone with its file",
    )
