"""Random pods of every shape a kubelet has to cope with; the same seed makes the same ones. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.e2e.support import IMAGE

Tree = dict[str, Any]

OTHER_IMAGE = "wherry-hello:other"  # another name of the same image
CONFIG_MAP, SECRET, LATE = "soak-config", "soak-secret", "soak-late"
HOST_PORTS = range(20000, 20200)
LABEL = "soak"

STAYS = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"
DEAF = "trap '' TERM; while :; do sleep 1; done"
SCRIPTS = (STAYS, STAYS, STAYS, DEAF, "sleep 2", "sleep 1; exit 3", "exit 1", "exit 0")


def container(dice: random.Random, name: str, script: str = "") -> Tree:
    """One that may run, end, fail, be deaf, or never start."""
    made: Tree = {"name": name, "image": IMAGE, "imagePullPolicy": "Never"}
    made["command"] = ["sh", "-c", script or dice.choice(SCRIPTS)]
    match dice.randrange(12):
        case 0:
            made["command"] = ["/no/such/program"]
        case 1:
            made["image"] = "wherry-hello:missing"
        case 2:
            made["resources"] = {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}
        case 3:
            made["terminationMessagePolicy"] = "FallbackToLogsOnError"
    return made


def _init(dice: random.Random, spec: Tree) -> None:
    spec["initContainers"] = [
        container(dice, "first", dice.choice(("exit 0", "sleep 1", "exit 0"))),
        {**container(dice, "side", STAYS), "restartPolicy": "Always"},
        container(dice, "last", dice.choice(("exit 0", "sleep 1", "exit 1"))),
    ][: dice.randint(1, 3)]


def _probes(dice: random.Random, spec: Tree) -> None:
    often = {"periodSeconds": 1, "failureThreshold": 2, "timeoutSeconds": 2}
    kinds: tuple[Tree, ...] = (
        {"exec": {"command": ["sh", "-c", "true"]}},
        {"exec": {"command": ["sh", "-c", "exit 1"]}},
        {"tcpSocket": {"port": 81}},
        {"httpGet": {"port": 81, "path": "/"}},
    )
    for probe in dice.sample(("readinessProbe", "livenessProbe", "startupProbe"), 2):
        spec["containers"][0][probe] = dice.choice(kinds) | often


def _hooks(dice: random.Random, spec: Tree) -> None:
    word = {"exec": {"command": ["sh", "-c", "sleep 0.2"]}}
    spec["containers"][0]["lifecycle"] = {
        "postStart": dice.choice((word, {"exec": {"command": ["sh", "-c", "exit 1"]}})),
        "preStop": dice.choice((word, {"sleep": {"seconds": 1}})),
    }


def _volumes(dice: random.Random, spec: Tree) -> None:
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}
    name = {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}
    kinds: dict[str, Tree] = {
        "disk": {"emptyDir": {}},
        "memory": {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        "config": {"configMap": {"name": CONFIG_MAP}},
        "secret": {"secret": {"secretName": SECRET}},
        "names": {"downwardAPI": {"items": [name]}},
        "both": {"projected": {"sources": [token, {"configMap": {"name": CONFIG_MAP}}]}},
        "host": {"hostPath": {"path": "/tmp", "type": "Directory"}},
        "image": {"image": {"reference": IMAGE, "pullPolicy": "Never"}},
        "late": {"configMap": {"name": LATE}},
    }
    chosen = dice.sample(sorted(kinds), dice.randint(1, 4))
    spec["volumes"] = [{"name": one, **kinds[one]} for one in chosen]
    mounts: list[Tree] = [{"name": one, "mountPath": f"/v/{one}"} for one in chosen]
    if "disk" in chosen:
        mounts.append({"name": "disk", "mountPath": "/v/part", "subPath": "a/b"})
    for one in spec["containers"]:
        one["volumeMounts"] = mounts


def _host_port(dice: random.Random, spec: Tree) -> None:
    port = {"containerPort": 80, "hostPort": dice.choice(HOST_PORTS)}
    spec["containers"][0]["ports"] = [port]


def _host_network(dice: random.Random, spec: Tree) -> None:
    spec["hostNetwork"] = True


def _deadline(dice: random.Random, spec: Tree) -> None:
    spec["activeDeadlineSeconds"] = dice.randint(1, 8)


def _waits(dice: random.Random, spec: Tree) -> None:
    spec["containers"][0]["envFrom"] = [{"configMapRef": {"name": LATE}}]


FEATURES: tuple[Callable[[random.Random, Tree], None], ...] = (
    _init, _probes, _hooks, _volumes, _volumes, _host_port, _host_network, _deadline, _waits,
)  # fmt: skip


def pod(dice: random.Random, name: str, namespace: str, node: str) -> Tree:
    """A pod for this node, as its user writes it."""
    spec: Tree = {
        "nodeName": node,
        "restartPolicy": dice.choice(("Always", "Always", "OnFailure", "Never")),
        "terminationGracePeriodSeconds": dice.choice((0, 1, 2)),
        "containers": [container(dice, f"c{n}") for n in range(dice.choice((1, 1, 2)))],
    }
    if dice.random() < 0.9:  # the others go when their node has been silent
        spec["tolerations"] = [{"operator": "Exists", "effect": "NoExecute"}]
    for feature in dice.sample(FEATURES, dice.randint(0, 3)):
        feature(dice, spec)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: "0"}},
        "spec": spec,
    }


def static_pod(dice: random.Random, name: str, namespace: str) -> Tree:
    """A manifest for the node's own folder."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: "0"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [container(dice, "c0")],
            "volumes": [{"name": "disk", "emptyDir": {}}],
        },
    }
