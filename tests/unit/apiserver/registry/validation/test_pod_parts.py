"""Pods' subresources `ephemeralcontainers` and `resize`: what they change, what they refuse."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from apiserver.codec.decode import decode
from apiserver.registry.core.pod import PodStrategy
from wherry.api.core_v1 import Pod

STRATEGY = PodStrategy()
CONTAINER: dict[str, Any] = {"name": "c", "image": "busybox:1"}
LIMITED = {
    "requests": {"cpu": "100m", "memory": "64Mi"},
    "limits": {"cpu": "200m", "memory": "128Mi"},
}
DEBUGGER = {"name": "d", "image": "busybox:1"}
EPHEMERAL = "spec.ephemeralContainers"


def pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A stored pod."""
    body = {
        "metadata": {"name": "p", "namespace": "default", "labels": {"a": "b"}},
        "spec": {"containers": [{**CONTAINER, **(container or {})}], **spec},
    }
    tree = decode(Pod, json.dumps(body).encode()).tree
    STRATEGY.default(tree)
    STRATEGY.prepare_for_create(tree)
    return tree


def write(part: str, old: dict[str, Any], tree: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What is stored, and what is said against it."""
    before = deepcopy(old)
    STRATEGY.prepare_for_part(part, tree, old)
    STRATEGY.default(tree)
    STRATEGY.prepare_for_part(part, tree, old)
    errors = [str(one) for one in STRATEGY.validate_part_update(part, tree, old)]
    assert old == before, "the stored pod is shared"
    return tree, errors


def with_debuggers(old: dict[str, Any], *debuggers: dict[str, Any]) -> dict[str, Any]:
    tree = deepcopy(old)
    tree["spec"]["ephemeralContainers"] = [{"resources": {}, **one} for one in debuggers]
    return tree


def test_only_ephemeral_containers_are_taken() -> None:
    old = pod()
    tree = with_debuggers(old, {**DEBUGGER, "targetContainerName": "c", "stdin": True, "tty": True})
    tree["metadata"]["labels"] = {"other": "x"}
    tree["spec"]["containers"][0]["image"] = "other:2"
    tree["status"]["phase"] = "Running"
    stored, errors = write("ephemeralcontainers", old, tree)
    assert errors == []
    assert stored["metadata"]["labels"] == {"a": "b"}
    assert stored["spec"]["containers"] == old["spec"]["containers"]
    assert stored["status"] == old["status"]
    [debugger] = stored["spec"]["ephemeralContainers"]
    assert debugger["imagePullPolicy"] == "IfNotPresent"
    assert debugger["targetContainerName"] == "c"


@pytest.mark.parametrize(
    ("debugger", "error"),
    [
        ({"name": "c"}, f'{EPHEMERAL}[0].name: Duplicate value: "c"'),
        ({"targetContainerName": "x"}, f'{EPHEMERAL}[0].targetContainerName: Not found: "x"'),
        ({"ports": [{"containerPort": 1}]}, f"{EPHEMERAL}[0].ports: Forbidden: cannot be set for an Ephemeral Container"),
        ({"resources": {"limits": {"cpu": "1"}}}, f"{EPHEMERAL}[0].resources: Forbidden: cannot be set for an Ephemeral Container"),
        ({"restartPolicy": "Always"}, f"{EPHEMERAL}[0].restartPolicy: Forbidden: cannot be set for an Ephemeral Container"),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a"}]},
            f"{EPHEMERAL}[0].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container",
        ),
        ({"image": ""}, f"{EPHEMERAL}[0].image: Required value"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)  # fmt: skip
def test_refused_ephemeral_containers(debugger: dict[str, Any], error: str) -> None:
    old = pod(volumes=[{"name": "v", "emptyDir": {}}])
    _, errors = write("ephemeralcontainers", old, with_debuggers(old, {**DEBUGGER, **debugger}))
    assert error in errors


def test_ephemeral_containers_stay_as_they_are() -> None:
    old, _ = write("ephemeralcontainers", pod(), with_debuggers(pod(), DEBUGGER))
    _, removed = write("ephemeralcontainers", old, with_debuggers(old))
    assert removed == [
        f'{EPHEMERAL}: Forbidden: existing ephemeral containers "d" may not be removed\n'
    ]
    _, changed = write("ephemeralcontainers", old, with_debuggers(old, {**DEBUGGER, "tty": True}))
    assert changed[0].startswith(
        f'{EPHEMERAL}: Forbidden: existing ephemeral containers "d" may not be changed\n'
    )
    stored, errors = write(
        "ephemeralcontainers", old, with_debuggers(old, {**DEBUGGER, "name": "e"}, DEBUGGER)
    )
    assert errors == []
    assert [one["name"] for one in stored["spec"]["ephemeralContainers"]] == ["e", "d"]


def test_static_pods_are_left_alone() -> None:
    old = pod({"resources": LIMITED})
    old["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    _, errors = write("ephemeralcontainers", old, with_debuggers(old, DEBUGGER))
    assert errors == [": Forbidden: static pods do not support ephemeral containers"]
    _, errors = write("resize", old, deepcopy(old))
    assert errors == [": Forbidden: static pods cannot be resized"]


def resized(old: dict[str, Any], resources: dict[str, Any], **fields: Any) -> dict[str, Any]:
    tree = deepcopy(old)
    tree["spec"]["containers"][0].update(resources=resources, **fields)
    return tree


def test_only_resources_are_taken() -> None:
    old = pod({"resources": LIMITED})
    new = {
        "requests": {"cpu": "150m", "memory": "64Mi"},
        "limits": {"cpu": "300m", "memory": "96Mi"},
    }
    tree = resized(old, new, image="other:2", resizePolicy=[{"resourceName": "cpu", "restartPolicy": "NotRequired"}])  # fmt: skip
    tree["spec"]["tolerations"] = [{"operator": "Exists"}]
    tree["metadata"]["labels"] = {}
    stored, errors = write("resize", old, tree)
    assert stored["metadata"]["labels"] == {"a": "b"}
    assert stored["spec"]["containers"][0]["image"] == "busybox:1"
    assert stored["spec"]["containers"][0]["resources"] == new
    assert "tolerations" not in stored["spec"]
    # A policy can't be changed, only be seen to be wanted.
    assert errors == ["spec: Forbidden: only cpu and memory resources are mutable"]
    stored, errors = write("resize", old, resized(old, new))
    assert errors == []


SIDECAR = {"name": "s", "image": "b:1", "restartPolicy": "Always", "resources": LIMITED}
INIT = {"name": "i", "image": "b:1", "resources": LIMITED}


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        (
            {"requests": LIMITED["limits"], "limits": LIMITED["limits"]},
            'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
        ),
        (
            {**LIMITED, "limits": {"cpu": "200m"}},
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
        ),
        (
            {**LIMITED, "limits": {**LIMITED["limits"], "ephemeral-storage": "1Gi"}},
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            {**LIMITED, "requests": {"cpu": "500m", "memory": "64Mi"}},
            'spec.containers[0].resources.requests: Invalid value: "500m": must be less than or equal to cpu limit of 200m',
        ),
    ],
    ids=["qos", "removed", "other", "above"],
)  # fmt: skip
def test_refused_resizes(resources: dict[str, Any], error: str) -> None:
    old = pod({"resources": LIMITED})
    _, errors = write("resize", old, resized(old, resources))
    assert error in errors


def test_init_containers() -> None:
    old = pod({"resources": LIMITED}, initContainers=[INIT, SIDECAR])
    more = {**LIMITED, "limits": {"cpu": "1", "memory": "1Gi"}}
    tree = deepcopy(old)
    tree["spec"]["initContainers"][1]["resources"] = more
    assert write("resize", old, tree)[1] == []
    tree["spec"]["initContainers"][0]["resources"] = more
    assert write("resize", old, tree)[1] == [
        "spec: Forbidden: resources for non-sidecar init containers are immutable"
    ]


def test_the_same_containers() -> None:
    old = pod({"resources": LIMITED})
    tree = deepcopy(old)
    tree["spec"]["containers"][0]["name"] = "x"
    assert write("resize", old, tree)[1] == [
        "spec: Forbidden: containers may not be renamed or reordered on resize"
    ]
    tree["spec"]["containers"].append(deepcopy(old["spec"]["containers"][0]))
    assert write("resize", old, tree)[1] == [
        "spec: Forbidden: containers may not be added or removed on resize"
    ]


def test_an_ephemeral_container_stays_ended() -> None:
    old = pod()
    ended = {"name": "d", "state": {"terminated": {"exitCode": 1}}}
    old["status"]["ephemeralContainerStatuses"] = [ended]
    tree = deepcopy(old)
    tree["status"]["ephemeralContainerStatuses"] = [{"name": "d", "state": {"running": {}}}]
    assert [str(one) for one in STRATEGY.validate_status_update(tree, old)] == [
        "status.ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    ]  # fmt: skip


def test_what_never_restarts_is_resized_without() -> None:
    policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    errors = STRATEGY.validate(pod({"resizePolicy": policy}, restartPolicy="Never"))
    assert [str(one) for one in errors] == [
        "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'"
    ]  # fmt: skip
    assert STRATEGY.validate(pod({"resizePolicy": policy})) == []
