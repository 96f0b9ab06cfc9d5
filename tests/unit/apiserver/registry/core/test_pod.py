"""Pods: defaults, preparation, quality of service, rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.codec.decode import decode
from apiserver.registry.core.pod import PodStrategy
from apiserver.registry.core.pod_defaults import pull_policy
from apiserver.registry.core.pod_qos import qos_class
from wherry.api.core_v1 import Pod

STRATEGY = PodStrategy()
NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)


def pod(spec: dict[str, Any], **rest: Any) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}
    tree = decode(Pod, json.dumps({"metadata": metadata, "spec": spec, **rest}).encode()).tree
    STRATEGY.default(tree)
    return tree


def container(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod({"containers": [{"name": "c", "image": "b", **fields}]})["spec"]
    return dict(found["containers"][0])


def test_defaults_of_a_pod() -> None:
    assert pod({"containers": [{"name": "c", "image": "busybox"}]})["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "busybox",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "Always",
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }


@pytest.mark.parametrize(
    ("given", "field", "want"),
    [
        ({"ports": [{"containerPort": 1}]}, "ports", [{"containerPort": 1, "protocol": "TCP"}]),
        (
            {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "5n"}}},
            "resources",
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1m", "memory": "1Gi"}},
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            "env",
            [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
        ),
        (
            {"readinessProbe": {"grpc": {"port": 1}}},
            "readinessProbe",
            {"grpc": {"port": 1, "service": ""}, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
        ),
        (
            {"lifecycle": {"preStop": {"httpGet": {"port": 1}}}},
            "lifecycle",
            {"preStop": {"httpGet": {"port": 1, "path": "/", "scheme": "HTTP"}}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_defaults_of_a_container(given: dict[str, Any], field: str, want: Any) -> None:
    assert container(**given)[field] == want


@pytest.mark.parametrize(
    ("volume", "want"),
    [
        ({}, {"emptyDir": {}}),
        ({"configMap": {"name": "a"}}, {"configMap": {"name": "a", "defaultMode": 420}}),
        ({"hostPath": {"path": "/"}}, {"hostPath": {"path": "/", "type": ""}}),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}], "defaultMode": 420}},
        ),
        ({"image": {"reference": "a:1"}}, {"image": {"reference": "a:1", "pullPolicy": "IfNotPresent"}}),
    ],
    ids=lambda value: next(iter(value), ""),
)  # fmt: skip
def test_defaults_of_a_volume(volume: dict[str, Any], want: dict[str, Any]) -> None:
    spec = pod({"volumes": [{"name": "v", **volume}]})["spec"]
    assert spec["volumes"] == [{"name": "v", **want}]


def test_the_host_network_opens_its_ports() -> None:
    ports = [{"containerPort": 80}]
    tree = pod({"hostNetwork": True, "containers": [{"name": "c", "image": "b", "ports": ports}]})
    assert tree["spec"]["containers"][0]["ports"][0]["hostPort"] == 80


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("busybox:1.36", "IfNotPresent"),
        ("host:5000/a/b", "Always"),
        ("host:5000/a/b:1", "IfNotPresent"),
        ("a@sha256:" + "0" * 64, "IfNotPresent"),
        ("not an image", "IfNotPresent"),
        ("", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def resources(**pairs: Any) -> dict[str, Any]:
    return {"name": "c", "resources": pairs}


FULL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ({"containers": [resources()]}, "BestEffort"),
        ({"containers": [resources(requests={"cpu": "0"})]}, "BestEffort"),
        ({"containers": [resources(requests={"cpu": "1"})]}, "Burstable"),
        ({"containers": [resources(limits=FULL, requests=FULL)]}, "Guaranteed"),
        ({"containers": [resources(limits=FULL, requests={**FULL, "cpu": "0.5"})]}, "Burstable"),
        ({"containers": [resources(limits=FULL, requests=FULL), resources()]}, "Burstable"),
        ({"containers": [resources(limits=FULL, requests={"cpu": "1000m", "memory": "1024Mi"})]}, "Guaranteed"),
        ({"containers": [resources()], "resources": {"limits": FULL, "requests": FULL}}, "Guaranteed"),
        ({"containers": [resources(requests={"ephemeral-storage": "1Gi"})]}, "BestEffort"),
    ],
)  # fmt: skip
def test_quality_of_service(spec: dict[str, Any], want: str) -> None:
    assert qos_class(spec) == want


def test_a_new_pod_is_pending_whatever_it_says() -> None:
    tree = pod({"containers": [{"name": "c"}], "schedulingGates": [{"name": "g"}]}, status={"phase": "Running"})  # fmt: skip
    STRATEGY.prepare_for_create(tree)
    assert tree["status"]["phase"] == "Pending"
    assert tree["status"]["qosClass"] == "BestEffort"
    assert tree["status"]["conditions"][0]["reason"] == "SchedulingGated"


def test_label_keys_become_requirements() -> None:
    constraint = {
        "maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"a": "b"}}, "matchLabelKeys": ["hash", "missing"],
    }  # fmt: skip
    tree = pod({"containers": [], "topologySpreadConstraints": [constraint]})
    tree["metadata"]["labels"] = {"hash": "1"}
    STRATEGY.prepare_for_create(tree)
    selector = tree["spec"]["topologySpreadConstraints"][0]["labelSelector"]
    assert selector["matchExpressions"] == [{"key": "hash", "operator": "In", "values": ["1"]}]


@pytest.mark.parametrize(
    ("spec", "phase", "asked", "want"),
    [
        ({"nodeName": "n"}, "Running", None, 30),
        ({"nodeName": "n"}, "Running", 5, 5),
        ({"nodeName": "n"}, "Running", 0, 0),
        ({"nodeName": "n"}, "Running", -1, 1),
        ({"nodeName": "n"}, "Failed", 5, 0),
        ({}, "Pending", 5, 0),
    ],
)
def test_grace_period(spec: dict[str, Any], phase: str, asked: int | None, want: int) -> None:
    tree = pod(spec, status={"phase": phase})
    assert STRATEGY.grace_period(tree, asked) == want


def status(
    name: str = "c", *, ready: bool = False, restarts: int = 0, **more: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "ready": ready,
        "restartCount": restarts,
        "image": "",
        "imageID": "",
        **more,
    }


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("found", "cells"),
    [
        ({"phase": "Pending"}, ("0/1", "Pending", "0")),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}, ("0/1", "SchedulingGated", "0")),
        ({"phase": "Running", "containerStatuses": [status(ready=True, state=RUNNING)]}, ("1/1", "Running", "0")),
        ({"phase": "Running", "containerStatuses": [status(state={"waiting": {"reason": "CrashLoopBackOff"}}, restarts=3, lastState={"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:55:00Z"}})]}, ("0/1", "CrashLoopBackOff", "3 (5m ago)")),
        ({"phase": "Running", "containerStatuses": [status(state={"terminated": {"exitCode": 3}})]}, ("0/1", "ExitCode:3", "0")),
        ({"phase": "Running", "containerStatuses": [status(state={"terminated": {"exitCode": 0, "signal": 9}})]}, ("0/1", "Signal:9", "0")),
        ({"phase": "Succeeded", "containerStatuses": [status(state={"terminated": {"exitCode": 0, "reason": "Completed"}})]}, ("0/1", "Completed", "0")),
        ({"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
        ({"phase": "Pending", "initContainerStatuses": [status("i", state={"running": {}})]}, ("0/1", "Init:0/1", "0")),
        ({"phase": "Pending", "initContainerStatuses": [status("i", state={"terminated": {"exitCode": 1, "reason": "Error"}})]}, ("0/1", "Init:Error", "0")),
        ({"phase": "Pending", "initContainerStatuses": [status("i", state={"waiting": {"reason": "ImagePullBackOff"}})]}, ("0/1", "Init:ImagePullBackOff", "0")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_row_says_what_the_pod_does(found: dict[str, Any], cells: tuple[str, ...]) -> None:
    spec = {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]}
    row = STRATEGY.row(pod(spec, status=found), NOW)
    assert (*row[1:4],) == cells
    assert row[4] == "60m"


def test_a_pod_that_goes_is_terminating() -> None:
    tree = pod({"containers": [{"name": "c"}]}, status={"phase": "Running"})
    tree["metadata"]["deletionTimestamp"] = "2026-01-01T00:30:00Z"
    assert STRATEGY.row(tree, NOW)[2] == "Terminating"
    tree["status"]["reason"] = "NodeLost"
    assert STRATEGY.row(tree, NOW)[2] == "Unknown"


def test_sidecars_count_as_containers() -> None:
    spec = {
        "containers": [{"name": "c"}],
        "initContainers": [{"name": "s", "restartPolicy": "Always"}],
    }
    found = {
        "phase": "Running",
        "initContainerStatuses": [status("s", ready=True, started=True, state=RUNNING, restarts=1)],
        "containerStatuses": [status(ready=True, state=RUNNING)],
    }
    row = STRATEGY.row(pod(spec, status=found), NOW)
    assert row[1:4] == ("2/2", "Running", "1")
