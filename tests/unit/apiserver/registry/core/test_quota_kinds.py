"""ResourceQuotas, LimitRanges, ReplicationControllers and PodTemplates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.handlers.scale import scale_of
from apiserver.registry.strategies import STRATEGIES
from wherry.api.core_v1 import LimitRange, PodTemplate, ReplicationController, ResourceQuota
from wherry.api.model import TypedModel
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]
Build = Callable[..., Tree]

TEMPLATE: Tree = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}


def quota(hard: Tree, **spec: Any) -> Tree:
    return {"spec": {"hard": hard, **spec}}


def selector(scope: str, operator: str, *values: str) -> Tree:
    one = {"scopeName": scope, "operator": operator, "values": list(values)}
    return {"scopeSelector": {"matchExpressions": [one]}}


def limits(**item: Any) -> Tree:
    return {"spec": {"limits": [{"type": "Container", **item}]}}


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (ResourceQuota, quota({"pods": "1", "count/a.b": "0", "requests.x.io/gpu": "1"}), []),
        (ResourceQuota, quota({"hugepages-2Mi": "1", "gold.storageclass.storage.k8s.io/requests.storage": "1Gi"}), []),
        (ResourceQuota, quota({"apples": "1"}),
         ['spec.hard[apples]: Invalid value: "apples": must be a standard resource for quota']),
        (ResourceQuota, quota({"pods": "-1"}),
         ['spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0']),
        (ResourceQuota, quota({"pods": "500m"}), ['spec.hard[pods]: Invalid value: "500m": must be an integer']),
        (ResourceQuota, quota({"pods": "1"}, scopes=["BestEffort", "NotBestEffort"]),
         ['spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes']),
        (ResourceQuota, quota({"pods": "1"}, scopes=["Sometimes"]),
         ['spec.scopes: Invalid value: ["Sometimes"]: unsupported scope']),
        (ResourceQuota, quota({"pods": "1"}, **selector("PriorityClass", "In", "high")), []),
        (ResourceQuota, quota({"pods": "1"}, **selector("PriorityClass", "In")),
         ["spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"]),
        (ResourceQuota, quota({"pods": "1"}, **selector("PriorityClass", "Exists", "a")),
         ["spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"]),
        (LimitRange, limits(max={"cpu": "2"}, min={"cpu": "1"}), []),
        (LimitRange, limits(max={"cpu": "1"}, min={"cpu": "2"}),
         ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
          'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
          'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1']),
        (LimitRange, {"spec": {"limits": [{"type": "Pod", "default": {"cpu": "1"}}]}},
         ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"]),
        (LimitRange, {"spec": {"limits": [{"type": "PersistentVolumeClaim"}]}},
         ["spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"]),
        (LimitRange, {"spec": {"limits": [{"type": "Pod"}, {"type": "Pod"}]}},
         ['spec.limits[1].type: Duplicate value: "Pod"']),
        (LimitRange, {"spec": {"limits": [{"type": "Box"}]}},
         ['spec.limits[0].type: Invalid value: "Box": must be a standard limit type or fully qualified']),
        (LimitRange, limits(maxLimitRequestRatio={"cpu": "500m"}),
         ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1']),
        (LimitRange, limits(default={"x.io/gpu": "2"}, defaultRequest={"x.io/gpu": "1"}),
         ['spec.limits[0].defaultRequest[x.io/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in x.io/gpu']),
        (ReplicationController, {"spec": {"template": TEMPLATE}}, []),
        (ReplicationController, {"spec": {"selector": {"a": "b"}}}, ["spec.template: Required value"]),
        (ReplicationController, {"spec": {"selector": {"a": "c"}, "template": TEMPLATE}},
         ['spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`']),
        (ReplicationController, {"spec": {"template": {"spec": TEMPLATE["spec"]}}}, ["spec.selector: Required value"]),
        (PodTemplate, {"template": TEMPLATE}, []),
        (PodTemplate, {"template": {"spec": {}}}, ["template.spec.containers: Required value"]),
    ],
)  # fmt: skip
def test_what_is_wrong(said: Say, model: type[TypedModel], body: Tree, words: list[str]) -> None:
    assert said(model, body) == words


@pytest.mark.parametrize(
    ("item", "default", "asked"),
    [
        ({"max": {"cpu": "2"}}, {"cpu": "2"}, {"cpu": "2"}),
        ({"min": {"cpu": "1"}}, None, {"cpu": "1"}),
        ({"min": {"cpu": "1"}, "max": {"cpu": "2"}}, {"cpu": "2"}, {"cpu": "2"}),
        ({"default": {"cpu": "1"}, "max": {"cpu": "2", "memory": "1Gi"}},
         {"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}),
    ],
    ids=["from max", "from min", "max before min", "only what is missing"],
)  # fmt: skip
def test_limits_follow_from_others(
    build: Build, item: Tree, default: Tree | None, asked: Tree | None
) -> None:
    (found,) = build(LimitRange, limits(**item))["spec"]["limits"]
    assert (found.get("default"), found.get("defaultRequest")) == (default, asked)


def test_a_limit_range_without_a_name_gets_one(build: Build) -> None:
    assert build(LimitRange, {"metadata": {"uid": "u1", "name": ""}})["metadata"]["name"] == "u1"


def test_scopes_are_for_life(said_of_change: Say) -> None:
    def change(tree: Tree) -> None:
        tree["spec"]["scopes"] = ["Terminating"]

    assert said_of_change(ResourceQuota, quota({"pods": "1"}), change) == [
        'spec.scopes: Invalid value: ["Terminating"]: field is immutable'
    ]


def test_a_controller_takes_labels_from_its_template(build: Build) -> None:
    tree = build(ReplicationController, {"spec": {"template": TEMPLATE}})
    assert tree["spec"]["selector"] == tree["metadata"]["labels"] == {"a": "b"}
    assert scale_of(tree)["status"] == {"replicas": 0, "selector": "a=b"}


def test_rows(build: Build) -> None:
    bounded = build(ResourceQuota, quota({"pods": "2"}))
    bounded["status"] = {
        "hard": {"pods": "2", "limits.cpu": "1"}, "used": {"pods": "1", "limits.cpu": "0"},
    }  # fmt: skip
    cases: list[tuple[type[TypedModel], Tree, tuple[Any, ...]]] = [
        (ResourceQuota, bounded, ("x", "pods: 1/2", "limits.cpu: 0/1", "60m")),
        (ReplicationController, build(ReplicationController, {"spec": {"template": TEMPLATE}}),
         ("x", 1, 0, 0, "60m", "c", "i", "a=b")),
        (PodTemplate, build(PodTemplate, {"template": TEMPLATE}), ("x", "c", "i", "a=b")),
    ]  # fmt: skip
    for model, tree, row in cases:
        assert STRATEGIES[resource_of(model)].row(tree, NOW) == row
