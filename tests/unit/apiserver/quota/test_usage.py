"""What objects use, and which quotas they are the business of."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.attributes import CLAIMS, PODS, QUOTAS, SERVICES
from apiserver.quota.pod_resources import pod_amounts
from apiserver.quota.scopes import lets_in
from apiserver.quota.usage import is_counted, kinds_of, usage_of
from wherry.api.scheme import BY_PLURAL

CONFIGMAPS = BY_PLURAL["", "v1", "configmaps"]
DEPLOYMENTS = BY_PLURAL["apps", "v1", "deployments"]
EVENTS = BY_PLURAL["", "v1", "events"]
Tree = dict[str, Any]


def container(cpu: str = "", limit: str = "", **more: Any) -> Tree:
    resources: Tree = {}
    if cpu:
        resources["requests"] = {"cpu": cpu}
    if limit:
        resources["limits"] = {"cpu": limit}
    return {"name": "c", "resources": resources, **more}


def pod(*containers: Tree, phase: str = "Running", **spec: Any) -> Tree:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": list(containers), **spec},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container("1"), container("500m")]}, "1500m"),
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, "3"),
        ({"containers": [container("1")],
          "initContainers": [container("2", restartPolicy="Always")]}, "3"),
        ({"containers": [container("1")],
          "initContainers": [container("2", restartPolicy="Always"), container("2")]}, "4"),
        ({"containers": [container("1")], "overhead": {"cpu": "100m"}}, "1100m"),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "5"}}}, "5"),
    ],
    ids=["side by side", "one after another", "sidecar", "beside a sidecar", "overhead", "said"],
)  # fmt: skip
def test_what_a_pod_requests(spec: Tree, cpu: str) -> None:
    assert pod_amounts(spec, "requests") == {"cpu": cpu}


def test_overhead_limits_only_what_is_limited() -> None:
    spec = {"containers": [container("1", "2")], "overhead": {"cpu": "1", "memory": "1Mi"}}
    assert pod_amounts(spec, "limits") == {"cpu": "3"}


@pytest.mark.parametrize(
    ("resource", "tree", "expected"),
    [
        (CONFIGMAPS, {"metadata": {}}, {"count/configmaps": "1", "configmaps": "1"}),
        (DEPLOYMENTS, {"metadata": {}}, {"count/deployments.apps": "1"}),
        (QUOTAS, {"metadata": {}}, {"count/resourcequotas": "1", "resourcequotas": "1"}),
        (PODS, pod(container("1", "2")),
         {"count/pods": "1", "pods": "1", "cpu": "1", "requests.cpu": "1", "limits.cpu": "2"}),
        (PODS, pod({"name": "c", "resources": {"requests": {"x.io/gpu": "2", "hugepages-2Mi": "4Mi"}}}),
         {"count/pods": "1", "pods": "1", "requests.x.io/gpu": "2", "hugepages-2Mi": "4Mi",
          "requests.hugepages-2Mi": "4Mi"}),
        (PODS, pod(container("1"), phase="Succeeded"), {"count/pods": "1"}),
        (SERVICES, {"metadata": {}, "spec": {"type": "NodePort", "ports": [{}, {}]}},
         {"count/services": "1", "services": "1", "services.nodeports": "2", "services.loadbalancers": "0"}),
        (SERVICES, {"metadata": {}, "spec": {"type": "LoadBalancer", "ports": [{}, {"nodePort": 30000}],
                                             "allocateLoadBalancerNodePorts": False}},
         {"count/services": "1", "services": "1", "services.nodeports": "1", "services.loadbalancers": "1"}),
        (CLAIMS, {"metadata": {}, "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}},
         {"count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "1Gi",
          "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
          "gold.storageclass.storage.k8s.io/requests.storage": "1Gi"}),
    ],
    ids=["configmap", "deployment", "quota", "pod", "extended", "ended", "node ports",
         "no node ports", "claim"],
)  # fmt: skip
def test_usage(resource: Any, tree: Tree, expected: Tree) -> None:
    assert usage_of(resource, tree) == expected


def test_events_are_not_counted() -> None:
    assert not is_counted(EVENTS)


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("pods", "pods"), ("requests.cpu", "pods"), ("hugepages-2Mi", "pods"),
        ("requests.x.io/gpu", "pods"), ("requests.storage", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims"),
        ("services.nodeports", "services"), ("count/deployments.apps", "deployments"),
        ("secrets", "secrets"),
    ],
)  # fmt: skip
def test_whose_objects_a_name_is_about(name: str, plural: str) -> None:
    assert [one.plural for one in kinds_of([name])] == [plural]


AFFINE = {
    "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["other"]}]}
}


@pytest.mark.parametrize(
    ("scope", "operator", "values", "tree", "expected"),
    [
        ("BestEffort", "Exists", [], pod(container()), True),
        ("BestEffort", "Exists", [], pod(container("1")), False),
        ("NotBestEffort", "Exists", [], pod(container("1")), True),
        ("Terminating", "Exists", [], pod(activeDeadlineSeconds=1), True),
        ("NotTerminating", "Exists", [], pod(activeDeadlineSeconds=1), False),
        ("PriorityClass", "In", ["high"], pod(priorityClassName="high"), True),
        ("PriorityClass", "NotIn", ["high"], pod(priorityClassName="high"), False),
        ("PriorityClass", "Exists", [], pod(), False),
        ("PriorityClass", "DoesNotExist", [], pod(), True),
        ("CrossNamespacePodAffinity", "Exists", [], pod(affinity=AFFINE), True),
        ("CrossNamespacePodAffinity", "Exists", [], pod(), False),
        ("Sometimes", "Exists", [], pod(), False),
    ],
)
def test_scopes_of_pods(
    scope: str, operator: str, values: list[str], tree: Tree, expected: bool
) -> None:
    requirement = {"scopeName": scope, "operator": operator, "values": values}
    spec = {"scopeSelector": {"matchExpressions": [requirement]}}
    assert lets_in(spec, PODS, tree) is expected


def test_scopes_are_about_pods_only() -> None:
    assert not lets_in({"scopes": ["NotBestEffort"]}, CONFIGMAPS, {"metadata": {}})
    assert lets_in({}, CONFIGMAPS, {"metadata": {}})
    claim = {"spec": {"volumeAttributesClassName": "fast"}}
    requirement = {"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["fast"]}
    assert lets_in({"scopeSelector": {"matchExpressions": [requirement]}}, CLAIMS, claim)
