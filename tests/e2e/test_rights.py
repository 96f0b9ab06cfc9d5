"""Daemons have the rights they need and no more: under load nothing is refused to them."""

from __future__ import annotations

import base64
import re
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.support import IMAGE, Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
# As RBAC and Node refuse; what admission refuses (a namespace that ends) is no matter of rights.
REFUSED = re.compile(r'User \\?"system:[^ ]+ cannot ')
LABELS = {"app": "load"}


def template(**spec: Any) -> dict[str, Any]:
    container = {
        "name": "c",
        "image": IMAGE,
        "command": ["httpd", "-f", "-p", "8080"],
        "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}}],
        "volumeMounts": [{"name": "s", "mountPath": "/s"}],
    }
    volume = {"name": "s", "secret": {"secretName": "s"}}
    return {
        "metadata": {"labels": LABELS},
        "spec": {
            "containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 1,
            "serviceAccountName": "robot", **spec,
        },
    }  # fmt: skip


def thing(version: str, kind: str, name: str, spec: Any = None, **more: Any) -> dict[str, Any]:
    tree = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}
    return tree if spec is None else tree | {"spec": spec}


def load() -> dict[str, Any]:
    """Something for every controller."""
    selector = {"matchLabels": LABELS}
    once = template(restartPolicy="Never")
    once["spec"]["containers"][0]["command"] = ["true"]
    items = [
        thing("v1", "ServiceAccount", "robot"),
        thing("v1", "Secret", "s", stringData={"k": "v"}),
        thing("v1", "ConfigMap", "c", data={"k": "v"}),
        thing("v1", "Secret", "token", type="kubernetes.io/service-account-token"),
        thing("v1", "PersistentVolumeClaim", "pvc", {"accessModes": ["ReadWriteOnce"],
              "resources": {"requests": {"storage": "1Gi"}}}),
        thing("autoscaling/v2", "HorizontalPodAutoscaler", "h", {"maxReplicas": 3, "minReplicas": 2,
              "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}),
        thing("v1", "ResourceQuota", "q", {"hard": {"pods": "50"}}),
        thing("v1", "Service", "load", {"selector": LABELS, "ports": [{"port": 80}]}),
        thing("apps/v1", "Deployment", "d", {"replicas": 2, "selector": selector,
              "template": template()}),
        thing("apps/v1", "DaemonSet", "ds", {"selector": selector, "template": template()}),
        thing("apps/v1", "StatefulSet", "sts", {"replicas": 1, "serviceName": "load",
              "selector": selector, "template": template()}),
        thing("v1", "ReplicationController", "rc", {"replicas": 1, "selector": LABELS,
              "template": template()}),
        thing("batch/v1", "Job", "j", {"template": once, "ttlSecondsAfterFinished": 0}),
        thing("batch/v1", "CronJob", "cj", {"schedule": "* * * * *",
              "jobTemplate": {"spec": {"template": once}}}),
        thing("policy/v1", "PodDisruptionBudget", "b", {"minAvailable": 1, "selector": selector}),
    ]  # fmt: skip
    for item in items:
        if item["metadata"]["name"] == "token":
            item["metadata"]["annotations"] = {"kubernetes.io/service-account.name": "robot"}
    return {"apiVersion": "v1", "kind": "List", "items": items}


def logs(cluster: Cluster) -> dict[Path, int]:
    return {log: log.stat().st_size for log in cluster.directory.glob("*/logs/*.log")}


def said_since(cluster: Cluster, before: dict[Path, int]) -> list[str]:
    lines = []
    for log in logs(cluster):
        with log.open(errors="replace") as file:
            file.seek(before.get(log, 0))
            lines += [f"{log.name}: {line}" for line in file]
    return lines


def test_under_load_nothing_is_refused_to_a_daemon(cluster: Cluster, namespace: str) -> None:
    before = logs(cluster)
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=yaml.safe_dump(load()))
    for what in ("deployment/d", "daemonset/ds", "statefulset/sts"):
        cluster.kubectl("rollout", "status", what, "-n", namespace, "--timeout=90s")
    cluster.kubectl("rollout", "restart", "deployment/d", "-n", namespace)
    cluster.kubectl("rollout", "status", "deployment/d", "-n", namespace, "--timeout=90s")
    cluster.kubectl("scale", "statefulset/sts", "--replicas=2", "-n", namespace)
    # As the administrator, through the API server's own user at the kubelet.
    assert cluster.kubectl("exec", "-n", namespace, "sts-0", "--", "cat", "/s/k") == "v"
    cluster.kubectl("logs", "-n", namespace, "sts-0")
    wait(
        lambda: "token" in cluster.get("secret", "token", "-n", namespace).get("data", {}),
        "the account's token is filled in",
    )
    node = cluster.machines[-1]
    words = ("--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=90s")
    cluster.kubectl("drain", node, *words)
    cluster.kubectl("uncordon", node)
    wait(
        lambda: (
            not cluster.get("jobs", "-n", namespace, "--field-selector=metadata.name=j")["items"]
        ),
        "the finished job is collected",
    )
    cluster.kubectl("delete", "namespace", namespace, "--timeout=120s")
    cluster.kubectl("create", "namespace", namespace)  # the fixture deletes it
    refused = [line for line in said_since(cluster, before) if REFUSED.search(line)]
    assert not refused, "\n".join(refused[:10])


def test_a_nodes_credentials_open_no_other_nodes_secrets(cluster: Cluster, namespace: str) -> None:
    first, second = cluster.machines[:2]
    own = {"name": "s", "secret": {"secretName": "s"}}
    container = {"name": "c", "image": IMAGE, "command": ["httpd", "-f", "-p", "8080"]}
    cluster.kubectl("create", "secret", "generic", "s", "--from-literal=k=v", "-n", namespace)
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": namespace},
            "spec": {
                "nodeName": first, "volumes": [own], "containers": [container],
                "terminationGracePeriodSeconds": 0,
            },
        }
    )  # fmt: skip
    path = f"/api/v1/namespaces/{namespace}/secrets/s"
    assert status(cluster, f"kubelet-{first}", first, path) == 200
    assert status(cluster, f"kubelet-{second}", second, path) == 403
    assert status(cluster, f"kubelet-{first}", first, f"/api/v1/nodes/{second}") == 403
    assert status(cluster, f"proxy-{first}", first, path) == 403


def test_only_the_administrators_certificate_is_almighty(cluster: Cluster) -> None:
    for name in ("scheduler", "controller-manager", "dns"):
        assert status(cluster, name, "", "/version") == 200
        assert status(cluster, name, "", "/metrics") == 403, name
    for name in ("scheduler", "dns"):
        assert status(cluster, name, "", "/api/v1/secrets") == 403, name


def status(cluster: Cluster, who: str, machine: str, path: str) -> int:
    """The answer's code, asked with a daemon's own kubeconfig."""
    file = cluster.directory / machine / f"{who}.kubeconfig"
    config = yaml.safe_load(file.read_text())
    user, place = config["users"][0]["user"], config["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=_text(place, "certificate-authority", file))
    pair = [_path(user, name, file) for name in ("client-certificate", "client-key")]
    context.load_cert_chain(*pair)
    try:
        with urllib.request.urlopen(f"{place['server']}{path}", context=context, timeout=10) as got:
            return int(got.status)
    except urllib.error.HTTPError as error:
        return error.code


def _text(tree: dict[str, str], name: str, file: Path) -> str:
    if f"{name}-data" in tree:
        return base64.b64decode(tree[f"{name}-data"]).decode()
    return (file.parent / tree[name]).read_text()


def _path(tree: dict[str, str], name: str, file: Path) -> str:
    return str(file.parent / tree[name])
