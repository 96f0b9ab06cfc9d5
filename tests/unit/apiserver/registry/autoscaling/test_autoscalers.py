"""HorizontalPodAutoscalers: defaults, refusals, rows, and the two versions of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.codec.decode import decode_tree
from apiserver.registry.autoscaling.version1 import BEHAVIOR, METRICS, HorizontalPodAutoscalerV1
from apiserver.registry.strategies import STRATEGIES
from wherry.api.autoscaling_v2 import HorizontalPodAutoscaler
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]
Build = Callable[..., Tree]

TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
MODEL = HorizontalPodAutoscaler


def spec(**fields: Any) -> Tree:
    return {"spec": {"scaleTargetRef": TARGET, "maxReplicas": 3, **fields}}


def metric(kind: str, target: Tree, **source: Any) -> Tree:
    field = kind[:1].lower() + kind[1:]
    return {"type": kind, field: {**source, "target": target}}


def metrics(*found: Tree) -> Tree:
    return spec(metrics=list(found))


SHARE = {"type": "Utilization", "averageUtilization": 50}
VALUE = {"type": "Value", "value": "1k"}
AVERAGE = {"type": "AverageValue", "averageValue": "100m"}
CPU = metric("Resource", SHARE, name="cpu")
OTHERS = [
    metric("Resource", AVERAGE, name="memory"),
    metric("ContainerResource", SHARE, name="cpu", container="c"),
    metric("Pods", AVERAGE, metric={"name": "m", "selector": {"matchLabels": {"a": "b"}}}),
    metric("Object", VALUE, metric={"name": "m"}, describedObject=TARGET),
    metric("External", VALUE, metric={"name": "m", "selector": {}}),
]
BEHAVIOR_TREE = {
    "scaleUp": {
        "stabilizationWindowSeconds": 5,
        "selectPolicy": "Min",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        "tolerance": "50m",
    }
}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (spec(), []),
        (metrics(CPU, *OTHERS), []),
        (spec(behavior=BEHAVIOR_TREE), []),
        (spec(minReplicas=0), ["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"]),
        (spec(minReplicas=4), ["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"]),
        (spec(scaleTargetRef={**TARGET, "kind": "a/b"}),
         ["spec.scaleTargetRef.kind: Invalid value: \"a/b\": may not contain '/'"]),
        (spec(scaleTargetRef={"kind": "ReplicationController", "name": "d", "apiVersion": "v1"}), []),
        (metrics({"type": "Pods", **{k: v for k, v in CPU.items() if k != "type"}}),
         ["spec.metrics[0].pods: Required value: must populate information for the given metric source"]),
        (metrics(metric("Resource", {"type": "Value"}, name="cpu")),
         ["spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization"]),
        (metrics(metric("Resource", {**SHARE, "averageValue": "1"}, name="cpu")),
         ["spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization"]),
        (metrics(metric("ContainerResource", SHARE, name="cpu", container="")),
         ["spec.metrics[0].containerResource.container: Required value: must specify a container"]),
        (metrics(metric("External", {**VALUE, "averageValue": "1"}, metric={"name": "m"})),
         ["spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target"]),
        (metrics(metric("Object", {"type": "Value", "value": "0"}, metric={"name": ""}, describedObject=TARGET)),
         ["spec.metrics[0].object.metric.name: Required value: must specify a metric name",
          'spec.metrics[0].object.target.value: Invalid value: "0": must be positive']),
        (spec(behavior={"scaleDown": {"stabilizationWindowSeconds": 3601}}),
         ["spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600"]),
        (spec(behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}]}}),
         ["spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
          "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800"]),
    ],
)  # fmt: skip
def test_what_is_wrong(said: Say, body: Tree, words: list[str]) -> None:
    assert said(MODEL, body) == words


def test_defaults(build: Build) -> None:
    found = build(MODEL, spec(behavior={}))["spec"]
    assert found["minReplicas"] == 1
    assert found["metrics"] == [
        {"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
    ]  # fmt: skip
    assert found["behavior"] == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ],
        },
        "scaleDown": {
            "selectPolicy": "Max",
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        },
    }


def test_row(build: Build) -> None:
    tree = build(MODEL, metrics(CPU, *OTHERS))
    tree["status"]["currentReplicas"] = 2
    current = {"averageUtilization": 30, "averageValue": "3m"}
    tree["status"]["currentMetrics"] = [
        {"type": "Resource", "resource": {"name": "cpu", "current": current}}
    ]
    assert STRATEGIES[resource_of(MODEL)].row(tree, NOW) == (
        "x", "Deployment/d", "cpu: 30%/50%, memory: <unknown>/100m + 4 more...", "1", 3, 2, "60m",
    )  # fmt: skip


VIEW = HorizontalPodAutoscalerV1()


@pytest.mark.parametrize(
    "body",
    [
        spec(),
        metrics(CPU),
        metrics(*OTHERS),
        metrics(CPU, *OTHERS),
        spec(behavior=BEHAVIOR_TREE),
        {"metadata": {"annotations": {"own": "x"}}, **metrics(CPU)},
    ],
    ids=["least", "cpu", "others", "all", "behavior", "annotated"],
)
def test_version_1_loses_nothing(build: Build, body: Tree) -> None:
    stored = build(MODEL, body)
    stored["status"]["conditions"] = [
        {"type": "AbleToScale", "status": "True", "lastTransitionTime": None}
    ]
    stored["status"]["currentMetrics"] = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7}}},
        {"type": "Pods", "pods": {"metric": {"name": "m"}, "current": {"averageValue": "3"}}},
    ]
    seen = VIEW.from_stored(deepcopy(stored))
    assert seen["apiVersion"] == "autoscaling/v1"
    assert seen["status"]["currentCPUUtilizationPercentage"] == 7
    back = decode_tree(MODEL, VIEW.to_stored(seen), "Ignore").tree
    assert back == decode_tree(MODEL, stored, "Ignore").tree


def test_what_version_1_shows(build: Build) -> None:
    seen = VIEW.from_stored(build(MODEL, spec(metrics=[OTHERS[0], CPU], behavior=BEHAVIOR_TREE)))
    assert seen["spec"] == {
        "scaleTargetRef": TARGET, "minReplicas": 1, "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 50,
    }  # fmt: skip
    said = {key: json.loads(text) for key, text in seen["metadata"]["annotations"].items()}
    assert said[METRICS] == [
        {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "100m"}}
    ]
    assert said[BEHAVIOR]["ScaleUp"] == {
        "StabilizationWindowSeconds": 5,
        "SelectPolicy": "Min",
        "Policies": [{"Type": "Pods", "Value": 1, "PeriodSeconds": 60}],
        "Tolerance": "50m",
    }


def test_annotations_that_say_nonsense_are_dropped() -> None:
    tree = {"metadata": {"annotations": {METRICS: "{", BEHAVIOR: "[]", "own": "x"}}, **spec()}
    stored = VIEW.to_stored(tree)
    assert stored["metadata"] == {"annotations": {"own": "x"}}
    assert stored["spec"] == {"scaleTargetRef": TARGET, "maxReplicas": 3}
