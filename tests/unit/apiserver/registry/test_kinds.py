"""The smaller kinds: what their strategies add, refuse and show."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.codec.decode import decode
from apiserver.registry.strategies import STRATEGIES
from apiserver.registry.strategy import Strategy
from wherry.api.apps_v1 import ControllerRevision, Deployment, ReplicaSet
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import (
    ConfigMap,
    Endpoints,
    Event,
    Namespace,
    Node,
    Secret,
    ServiceAccount,
)
from wherry.api.discovery_v1 import EndpointSlice
from wherry.api.model import TypedModel
from wherry.api.scheduling_v1 import PriorityClass
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
CREATED = "2026-01-01T00:00:00Z"
Tree = dict[str, Any]


def strategy_of(model: type[TypedModel]) -> Strategy:
    return STRATEGIES[resource_of(model)]


def made(model: type[TypedModel], body: Tree) -> Tree:
    """An object as it comes to validation."""
    resource = resource_of(model)
    metadata = {"name": "x", "creationTimestamp": CREATED, **body.get("metadata", {})}
    if resource.namespaced:
        metadata.setdefault("namespace", "default")
    tree = decode(model, json.dumps({**body, "metadata": metadata}).encode()).tree
    STRATEGIES[resource].default(tree)
    STRATEGIES[resource].prepare_for_create(tree)
    return tree


def said(model: type[TypedModel], body: Tree) -> list[str]:
    return [str(one) for one in strategy_of(model).validate(made(model, body))]


TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
WORKLOAD = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
SLICE = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]}


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (ConfigMap, {"data": {"a.b_c-D": ""}, "binaryData": {"x": "aGk="}}),
        (Secret, {"stringData": {"a": "b"}}),
        (Secret, {"type": "kubernetes.io/basic-auth", "stringData": {"username": ""}}),
        (Secret, {"type": "example.com/any"}),
        (Endpoints, {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 1}]}]}),
        (EndpointSlice, {**SLICE, "ports": [{"port": 80}]}),
        (EndpointSlice, {"addressType": "FQDN", "endpoints": [{"addresses": ["a.b."]}]}),
        (Event, {"involvedObject": {"namespace": "default"}}),
        (Event, {"involvedObject": {}, "metadata": {"namespace": "default"}}),
        (Lease, {"spec": {"leaseDurationSeconds": 1}}),
        (PriorityClass, {"value": 1_000_000_000}),
        (PriorityClass, {"metadata": {"name": "system-node-critical"}, "value": 2_000_001_000}),
        (Deployment, {"spec": WORKLOAD}),
        (Deployment, {"spec": {**WORKLOAD, "strategy": {"type": "Recreate"}}}),
        (ReplicaSet, {"spec": WORKLOAD}),
        (ControllerRevision, {"data": {}, "revision": 0}),
        (Namespace, {}),
        (ServiceAccount, {}),
        (Node, {"spec": {"podCIDR": "10.1.0.0/24", "taints": [{"key": "k", "effect": "NoExecute"}]}}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)  # fmt: skip
def test_accepted(model: type[TypedModel], body: Tree) -> None:
    assert said(model, body) == []


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (ConfigMap, {"data": {"a/b": ""}}, 'data[a/b]: Invalid value: "a/b": a valid config key'),
        (ConfigMap, {"data": {"a": ""}, "binaryData": {"a": ""}}, 'data[a]: Invalid value: "a": duplicate of key present in binaryData'),
        (ConfigMap, {"data": {"a": "x" * 1048577}}, ": Too long: may not be more than 1048576 bytes"),
        (Secret, {"type": "kubernetes.io/tls"}, "data[tls.crt]: Required value"),
        (Secret, {"type": "kubernetes.io/basic-auth"}, "data[username]: Required value"),
        (Secret, {"type": "kubernetes.io/ssh-auth"}, "data[ssh-privatekey]: Required value"),
        (Secret, {"type": "kubernetes.io/dockerconfigjson"}, "data[.dockerconfigjson]: Required value"),
        (Secret, {"type": "kubernetes.io/dockercfg", "stringData": {".dockercfg": "x"}}, 'data[.dockercfg]: Invalid value: "<secret contents redacted>"'),
        (Secret, {"type": "kubernetes.io/service-account-token"}, "metadata.annotations[kubernetes.io/service-account.name]: Required value"),
        (Endpoints, {"subsets": [{}]}, "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
        (Endpoints, {"subsets": [{"addresses": [{"ip": "127.0.0.1"}]}]}, 'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range'),
        (EndpointSlice, {**SLICE, "addressType": "x"}, 'addressType: Unsupported value: "x": supported values: "FQDN", "IPv4", "IPv6"'),
        (EndpointSlice, {**SLICE, "addressType": "IPv6"}, 'endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be an IPv6 address'),
        (EndpointSlice, {**SLICE, "ports": [{"name": "a"}, {"name": "a"}]}, 'ports[1].name: Duplicate value: "a"'),
        (Event, {"involvedObject": {"namespace": "other"}}, 'involvedObject.namespace: Invalid value: "other": does not match event.namespace'),
        (Event, {"involvedObject": {}, "eventTime": CREATED}, "reportingComponent: Required value"),
        (Lease, {"spec": {"leaseDurationSeconds": 0}}, "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"),
        (PriorityClass, {"value": 1_000_000_001}, "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"),
        (PriorityClass, {"metadata": {"name": "system-x"}, "value": 1}, "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved"),
        (PriorityClass, {"value": 1, "preemptionPolicy": "x"}, 'preemptionPolicy: Unsupported value: "x"'),
        (Deployment, {"spec": {"template": TEMPLATE}}, "spec.selector: Required value"),
        (Deployment, {"spec": {**WORKLOAD, "selector": {}}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
        (Deployment, {"spec": {**WORKLOAD, "replicas": -1}}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (Deployment, {"spec": {**WORKLOAD, "selector": {"matchLabels": {"a": "c"}}}}, 'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'),
        (Deployment, {"spec": {**WORKLOAD, "strategy": {"type": "Recreate", "rollingUpdate": {}}}}, "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"),
        (Deployment, {"spec": {**WORKLOAD, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}}}, 'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'),
        (Deployment, {"spec": {**WORKLOAD, "strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}}, "spec.strategy.rollingUpdate.maxUnavailable"),
        (Deployment, {"spec": {**WORKLOAD, "progressDeadlineSeconds": 5, "minReadySeconds": 5}}, "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"),
        (ReplicaSet, {"spec": {**WORKLOAD, "template": {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}}, 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
        (ControllerRevision, {"revision": 1}, "data: Required value: data is mandatory"),
        (Namespace, {"spec": {"finalizers": ["x"]}}, 'spec.finalizers: Invalid value: "x": name is neither a standard'),
        (Node, {"spec": {"taints": [{"key": "k", "effect": "x"}]}}, 'metadata.taints[0].effect: Unsupported value: "x"'),
        (Node, {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}] * 2}}, "metadata.taints[1]: Duplicate value"),
        (Node, {"spec": {"podCIDR": "x"}}, 'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value'),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)  # fmt: skip
def test_refused(model: type[TypedModel], body: Tree, words: str) -> None:
    errors = said(model, body)
    assert any(one.startswith(words) for one in errors), errors


@pytest.mark.parametrize(
    ("model", "body", "change", "words"),
    [
        (ConfigMap, {"immutable": True, "data": {"a": "b"}}, {"data": {"a": "c"}}, "data: Forbidden: field is immutable when `immutable` is set"),
        (ConfigMap, {"immutable": True}, {"immutable": False}, "immutable: Forbidden: field is immutable when `immutable` is set"),
        (Secret, {"type": "a"}, {"type": "b"}, 'type: Invalid value: "b": field is immutable'),
        (EndpointSlice, SLICE, {"addressType": "IPv6"}, 'addressType: Invalid value: "IPv6": field is immutable'),
        (PriorityClass, {"value": 1}, {"value": 2}, "value: Forbidden: may not be changed in an update."),
        (ControllerRevision, {"data": {"a": 1}}, {"data": {"a": 2}}, 'data: Invalid value: {"a":2}: field is immutable'),
        (Deployment, {"spec": WORKLOAD}, {"spec": {"selector": {"matchLabels": {"a": "c"}}}}, "spec.selector: Invalid value"),
        (Node, {"spec": {"podCIDR": "10.1.0.0/24"}}, {"spec": {"podCIDRs": ["10.2.0.0/24"]}}, 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'),
        (Node, {"spec": {"providerID": "a"}}, {"spec": {"providerID": "b"}}, "spec.providerID: Forbidden"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)  # fmt: skip
def test_what_may_not_change(model: type[TypedModel], body: Tree, change: Tree, words: str) -> None:
    old = made(model, body)
    assert strategy_of(model).validate_update(deepcopy(old), old) == []
    new = deepcopy(old)
    for field, value in change.items():
        new[field] = {**new[field], **value} if field == "spec" else value
    errors = [str(one) for one in strategy_of(model).validate_update(new, old)]
    assert any(one.startswith(words) for one in errors), errors


class TestNamespace:
    def test_starts_active_with_its_finalizer_and_name(self) -> None:
        tree = made(Namespace, {"status": {"phase": "Terminating"}})
        assert tree["spec"] == {"finalizers": ["kubernetes"]}
        assert tree["status"] == {"phase": "Active"}
        assert tree["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}

    def test_its_parts_have_their_own_paths(self) -> None:
        old = made(Namespace, {})
        new = deepcopy(old)
        new["spec"], new["status"] = {}, {"phase": "Terminating"}
        strategy_of(Namespace).prepare_for_update(new, old)
        assert (new["spec"], new["status"]) == (old["spec"], old["status"])

    def test_its_phase_follows_deletion(self) -> None:
        old = made(Namespace, {})
        new = deepcopy(old)
        new["status"]["phase"] = "Terminating"
        errors = strategy_of(Namespace).validate_status_update(new, old)
        assert "may only be 'Active' if `deletionTimestamp` is empty" in errors[0].message
        new["metadata"]["deletionTimestamp"] = CREATED
        assert not strategy_of(Namespace).validate_status_update(new, old)


class TestSecret:
    def test_texts_become_data(self) -> None:
        tree = made(Secret, {"data": {"a": "eA=="}, "stringData": {"a": "y", "b": "z"}})
        assert "stringData" not in tree
        assert tree["data"] == {
            "a": base64.b64encode(b"y").decode(),
            "b": base64.b64encode(b"z").decode(),
        }
        assert tree["type"] == "Opaque"

    def test_warns_of_a_pair_that_is_none(self) -> None:
        tree = made(Secret, {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "a", "tls.key": "b"}})  # fmt: skip
        assert strategy_of(Secret).warnings(tree, None) == [
            "tls: failed to find any PEM data in certificate input"
        ]


def test_deployments_get_upstream_s_defaults() -> None:
    spec = made(Deployment, {"spec": WORKLOAD})["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert "enableServiceLinks" not in spec["template"]["spec"]


def test_slices_name_their_ports() -> None:
    tree = made(EndpointSlice, {**SLICE, "ports": [{}]})
    assert tree["ports"] == [{"name": "", "protocol": "TCP"}]


def test_nodes_keep_both_spellings_of_their_range() -> None:
    tree = made(Node, {"spec": {"podCIDR": "10.1.0.0/24"}, "status": {"capacity": {"cpu": "1"}}})
    assert tree["spec"]["podCIDRs"] == ["10.1.0.0/24"]
    assert tree["status"]["allocatable"] == {"cpu": "1"}


def test_service_accounts_name_their_secrets() -> None:
    tree = made(ServiceAccount, {"secrets": [{"name": "a", "namespace": "b"}]})
    assert tree["secrets"] == [{"name": "a"}]


def test_status_counters_fit_together() -> None:
    old = made(ReplicaSet, {"spec": WORKLOAD})
    new = {**old, "status": {"replicas": 1, "readyReplicas": 2, "availableReplicas": -1}}
    errors = [str(one) for one in strategy_of(ReplicaSet).validate_status_update(new, old)]
    assert errors == [
        "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0",
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
    ]


@pytest.mark.parametrize(
    ("model", "body", "row"),
    [
        (ConfigMap, {"data": {"a": ""}, "binaryData": {"b": ""}}, ("x", 2, "60m")),
        (Secret, {"stringData": {"a": ""}}, ("x", "Opaque", 1, "60m")),
        (Namespace, {}, ("x", "Active", "60m")),
        (ServiceAccount, {}, ("x", "60m")),
        (Lease, {"spec": {"holderIdentity": "me"}}, ("x", "me", "60m")),
        (PriorityClass, {"value": 7}, ("x", 7, False, "60m", "PreemptLowerPriority")),
        (Endpoints, {"subsets": [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(1, 6)], "ports": [{"port": 80}]}]}, ("x", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...", "60m")),
        (EndpointSlice, {**SLICE, "ports": [{"port": 80}]}, ("x", "IPv4", "80", "10.0.0.1", "60m")),
        (Deployment, {"spec": {**WORKLOAD, "replicas": 3}}, ("x", "0/3", 0, 0, "60m", "c", "i", "a=b")),
        (ReplicaSet, {"spec": {**WORKLOAD, "replicas": 3}}, ("x", 3, 0, 0, "60m", "c", "i", "a=b")),
        (ControllerRevision, {"data": {}, "revision": 4, "metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "u", "controller": True}]}}, ("x", "statefulset.apps/s", 4, "60m")),
        (Event, {"involvedObject": {"kind": "Pod", "name": "p"}, "type": "Normal", "reason": "R", "message": " m ", "firstTimestamp": CREATED, "lastTimestamp": "2026-01-01T00:59:00Z", "count": 5, "source": {"component": "k", "host": "n"}}, ("60s", "Normal", "R", "pod/p", "", "k, n", "m", "60m", 5, "x")),
        (Node, {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}, "spec": {"unschedulable": True}, "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "nodeInfo": {"kubeletVersion": "v1"}}}, ("x", "Ready,SchedulingDisabled", "control-plane", "60m", "v1", "10.0.0.1", "<none>", "<unknown>", "<unknown>", "<unknown>")),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)  # fmt: skip
def test_rows(model: type[TypedModel], body: Tree, row: tuple[Any, ...]) -> None:
    assert tuple(strategy_of(model).row(made(model, body), NOW)) == row
