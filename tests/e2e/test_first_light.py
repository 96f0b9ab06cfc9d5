"""The main job on two machines: YAML in, containers out, a Service that answers."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.support import IMAGE, ROOT, Cluster, run, typed, wait, wherry_program

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
HELLO = str(ROOT / "deploy/examples/hello.yaml")


def deployment(name: str, replicas: int, *command: str, **spec: object) -> dict[str, object]:
    labels = {"app": name}
    container = {"name": "c", "image": IMAGE, "command": list(command)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
            },
        },
    }


def pod(name: str, *command: str, **spec: object) -> dict[str, object]:
    container = {"name": "c", "image": IMAGE, "command": list(command)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
    }


def test_hello_runs_on_both_machines_and_answers_everywhere(
    cluster: Cluster, namespace: str
) -> None:
    out = cluster.wherry("apply", "-n", namespace, "-f", HELLO)
    assert "deployment.apps/hello created" in out
    out = cluster.wherry("rollout", "status", "deployment/hello", "-n", namespace, "--timeout=60s")
    assert 'deployment "hello" successfully rolled out' in out
    pods = cluster.get("pods", "-n", namespace, "-l", "app=hello")["items"]
    assert {p["spec"]["nodeName"] for p in pods} == set(cluster.machines)

    address = cluster.get("service", "hello", "-n", namespace)["spec"]["clusterIP"]
    for machine in cluster.machines:
        wait(
            lambda m=machine: (
                "hello from wherry"
                in cluster.on(
                    m, "curl", "-sS", "--max-time", "5", f"http://{address}/", check=False
                )
            ),
            f"the service's address from {machine}",
        )
        node = cluster.lab.wires.address(machine)
        assert (
            "hello from wherry"
            in run("curl", "-sS", "--max-time", "5", f"http://{node}:30080/").stdout
        )
    name = pods[0]["metadata"]["name"]
    page = ("wget", "-qO-", "http://hello/")
    wait(
        lambda: (
            "hello from wherry"
            in cluster.wherry("exec", "-n", namespace, name, "--", *page, check=False)
        ),
        "the service's name in a pod",
    )
    for one in pods:
        for machine in cluster.machines:
            url = f"http://{one['status']['podIP']}:8080/"
            assert "hello" in cluster.on(machine, "curl", "-sS", "--max-time", "5", url)


def test_kubectl_shows_what_runs(cluster: Cluster, namespace: str) -> None:
    cluster.apply(
        {"apiVersion": "v1", "kind": "List", "items": [
            {**deployment("web", 2, "sleep", "1000"), "metadata": {"name": "web", "namespace": namespace}},
        ]}
    )  # fmt: skip
    cluster.kubectl(
        "wait", "-n", namespace, "--for=condition=Available", "deploy/web", "--timeout=60s"
    )
    text = cluster.kubectl("describe", "deploy", "web", "-n", namespace)
    assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in text
    text = cluster.kubectl("describe", "pod", "-l", "app=web", "-n", namespace)
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in text
    assert re.search(r"Status:\s+Running", text)
    text = cluster.kubectl("describe", "node", cluster.machines[0])
    assert re.search(r"Ready\s+True", text)
    assert "docker://" in text
    cluster.kubectl("expose", "deploy/web", "-n", namespace, "--port=80")
    text = cluster.kubectl("describe", "svc", "web", "-n", namespace)
    assert re.search(r"Type:\s+ClusterIP", text)


def test_logs_follow_and_end(cluster: Cluster, namespace: str) -> None:
    script = (
        "i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); sleep 0.2; done; echo to-stderr >&2"
    )
    manifest = pod("talk", "sh", "-c", script, restartPolicy="Never")
    cluster.apply({**manifest, "metadata": {"name": "talk", "namespace": namespace}})
    wait(
        lambda: (
            cluster.get("pod", "talk", "-n", namespace)["status"].get("phase")
            in ("Running", "Succeeded")
        ),
        "the pod runs",
    )
    text = cluster.kubectl("logs", "-f", "talk", "-n", namespace)
    assert text.splitlines() == [*(f"line {n}" for n in range(5)), "to-stderr"]
    assert cluster.kubectl("logs", "--tail=2", "talk", "-n", namespace).splitlines() == [
        "line 4",
        "to-stderr",
    ]
    assert cluster.wherry("logs", "--tail=1", "talk", "-n", namespace) == "to-stderr\n"


def test_exec_gives_output_exit_code_and_terminal(cluster: Cluster, namespace: str) -> None:
    manifest = pod("shell", "sleep", "1000")
    cluster.apply({**manifest, "metadata": {"name": "shell", "namespace": namespace}})
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/shell", "--timeout=60s")
    base = ("kubectl", "--kubeconfig", cluster.kubeconfig, "exec", "-n", namespace, "shell")
    done = run(*base, "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (done.returncode, done.stdout) == (7, "out\n")
    assert "err" in done.stderr
    done = run(*base, "-i", "--", "cat", input="through stdin\n")
    assert done.stdout == "through stdin\n"
    assert "7" in typed([*base, "-it", "--", "sh"], b"echo $((3+4)); exit\n")


def test_rollout_and_undo(cluster: Cluster, namespace: str) -> None:
    in_namespace = {"name": "app", "namespace": namespace}
    cluster.apply({**deployment("app", 2, "sleep", "1000"), "metadata": in_namespace})
    cluster.kubectl("rollout", "status", "deploy/app", "-n", namespace, "--timeout=60s")
    cluster.apply({**deployment("app", 2, "sleep", "2000"), "metadata": in_namespace})
    cluster.kubectl("rollout", "status", "deploy/app", "-n", namespace, "--timeout=60s")
    history = cluster.kubectl("rollout", "history", "deploy/app", "-n", namespace)
    assert re.search(r"^1 ", history, re.M)
    assert re.search(r"^2 ", history, re.M)
    cluster.kubectl("rollout", "undo", "deploy/app", "-n", namespace)
    cluster.kubectl("rollout", "status", "deploy/app", "-n", namespace, "--timeout=60s")
    spec = cluster.get("deploy", "app", "-n", namespace)["spec"]["template"]["spec"]
    assert spec["containers"][0]["command"] == ["sleep", "1000"]


def test_a_kubelet_restart_leaves_containers_running(cluster: Cluster, namespace: str) -> None:
    manifest = pod("stay", "sleep", "1000", nodeName=cluster.machines[0])
    cluster.apply({**manifest, "metadata": {"name": "stay", "namespace": namespace}})
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/stay", "--timeout=60s")

    def container() -> dict[str, object]:
        return cluster.get("pod", "stay", "-n", namespace)["status"]["containerStatuses"][0]

    before = container()
    name = f"{cluster.machines[0]}/kubelet"
    pid = cluster.daemon_pid(name)
    os.kill(pid, signal.SIGKILL)
    wait(lambda: cluster.daemon_pid(name) not in (0, pid), "a new kubelet")
    wait(lambda: cluster.lab_ready(name), "the new kubelet is ready")
    cluster.kubectl("exec", "-n", namespace, "stay", "--", "true")
    after = container()
    assert after["containerID"] == before["containerID"]
    assert after["restartCount"] == 0
    docker = cluster.docker(cluster.machines[0])
    running = docker.containers.get(str(before["containerID"]).removeprefix("docker://"))
    assert running.status == "running"
    docker.close()


def test_a_container_of_someone_else_is_left_alone(cluster: Cluster) -> None:
    docker = cluster.docker(cluster.machines[0])
    foreign = docker.containers.run(IMAGE, ["sleep", "1000"], detach=True, network_mode="none")
    os.kill(cluster.daemon_pid(f"{cluster.machines[0]}/kubelet"), signal.SIGTERM)
    wait(lambda: cluster.lab_ready(f"{cluster.machines[0]}/kubelet"), "the kubelet is back")
    foreign.reload()
    assert foreign.status == "running"
    foreign.remove(force=True)
    docker.close()


def test_liveness_restarts_and_readiness_withholds(cluster: Cluster, namespace: str) -> None:
    manifest = pod("probe", "sh", "-c", "touch /tmp/ok; sleep 1000")
    manifest["spec"]["containers"][0] |= {
        "livenessProbe": {
            "exec": {"command": ["test", "-e", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 2,
        },
        "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1},
    }  # fmt: skip
    cluster.apply({**manifest, "metadata": {"name": "probe", "namespace": namespace}})

    def status() -> dict[str, object]:
        found = cluster.get("pod", "probe", "-n", namespace)["status"].get("containerStatuses")
        return found[0] if found else {}

    wait(lambda: status().get("started"), "the container started")
    assert status()["ready"] is False
    cluster.kubectl("exec", "-n", namespace, "probe", "--", "touch", "/tmp/ready")
    wait(lambda: status()["ready"], "ready once the probe passes")
    cluster.kubectl("exec", "-n", namespace, "probe", "--", "rm", "/tmp/ok")
    wait(lambda: status().get("restartCount") == 1, "a restart once liveness fails")
    wait(
        lambda: (
            "Liveness probe failed" in cluster.kubectl("describe", "pod", "probe", "-n", namespace)
        ),
        "the event that says so",
    )


def test_graceful_deletion_waits_for_the_process(cluster: Cluster, namespace: str) -> None:
    script = "trap 'sleep 1; exit 0' TERM; while true; do sleep 0.1; done"
    manifest = pod("polite", "sh", "-c", script)
    manifest["spec"]["terminationGracePeriodSeconds"] = 20
    cluster.apply({**manifest, "metadata": {"name": "polite", "namespace": namespace}})
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/polite", "--timeout=60s")
    began = time.monotonic()
    cluster.kubectl("delete", "pod", "polite", "-n", namespace)
    took = time.monotonic() - began
    assert 0.9 < took < 15
    docker = cluster.docker(cluster.machines[0])
    filters = {"label": "io.kubernetes.pod.name=polite"}
    left = [
        c
        for m in cluster.machines
        for c in cluster.docker(m).containers.list(all=True, filters=filters, ignore_removed=True)
    ]
    assert left == []
    docker.close()


def test_deleting_a_namespace_takes_everything_in_it(cluster: Cluster, namespace: str) -> None:
    for name in ("a", "b"):
        cluster.apply(
            {
                **deployment(name, 1, "sleep", "1000"),
                "metadata": {"name": name, "namespace": namespace},
            }
        )
    cluster.kubectl("rollout", "status", "deploy/a", "-n", namespace, "--timeout=60s")
    cluster.kubectl("delete", "namespace", namespace, "--timeout=60s")
    assert "NotFound" in cluster.kubectl("get", "ns", namespace, check=False)
    cluster.kubectl("create", "namespace", namespace)


def test_a_bad_manifest_is_refused_in_words(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: X_y}\nspec: {}\n")
    done = run(
        wherry_program(),
        "--kubeconfig",
        cluster.kubeconfig,
        "apply",
        "-n",
        namespace,
        "-f",
        str(bad),
        check=False,
    )
    assert done.returncode == 1
    assert "metadata.name: Invalid value" in done.stderr
    assert "spec.containers: Required value" in done.stderr
