"""The FlowSchemas and PriorityLevelConfigurations a cluster starts with.

Source: k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

AUTOUPDATE: Final = "apf.kubernetes.io/autoupdate-spec"

Tree = dict[str, Any]


def _queued(shares: int, queues: int, hand: int, lendable: int) -> Tree:
    queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": 50}
    return {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": shares,
            "limitResponse": {"type": "Queue", "queuing": queuing},
            "lendablePercent": lendable,
        },
    }


# These two are mandatory: their specs never change, but for the shares of `exempt`.
FIXED_PRIORITY_LEVELS: Final[Mapping[str, Tree]] = {
    "exempt": {
        "type": "Exempt",
        "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0},
    },
    "catch-all": {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": 5,
            "limitResponse": {"type": "Reject"},
            "lendablePercent": 0,
        },
    },
}
PRIORITY_LEVELS: Final[Mapping[str, Tree]] = {
    **FIXED_PRIORITY_LEVELS,
    "global-default": _queued(20, 128, 6, 50),
    "leader-election": _queued(10, 16, 4, 0),
    "node-high": _queued(40, 64, 6, 25),
    "system": _queued(30, 64, 6, 33),
    "workload-high": _queued(40, 128, 6, 50),
    "workload-low": _queued(100, 128, 6, 90),
}


def _group(name: str) -> Tree:
    return {"kind": "Group", "group": {"name": name}}


def _user(name: str) -> Tree:
    return {"kind": "User", "user": {"name": name}}


_SYSTEM_ACCOUNTS: Final = {
    "kind": "ServiceAccount",
    "serviceAccount": {"namespace": "kube-system", "name": "*"},
}
_EVERYBODY: Final = (_group("system:unauthenticated"), _group("system:authenticated"))


def _resources(
    verbs: Sequence[str], group: str, resources: Sequence[str], *, cluster: bool
) -> Tree:
    rule: Tree = {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources)}
    if cluster:
        rule["clusterScope"] = True
    return {**rule, "namespaces": ["*"]}


def _paths(verb: str, *urls: str) -> Tree:
    return {"verbs": [verb], "nonResourceURLs": list(urls)}


_EVERYTHING: Final = {
    "resourceRules": [_resources(("*",), "*", ("*",), cluster=True)],
    "nonResourceRules": [_paths("*", "*")],
}


def _schema(
    level: str,
    precedence: int,
    method: str,
    subjects: Sequence[Tree],
    rules: Mapping[str, Any] = _EVERYTHING,
) -> Tree:
    spec: Tree = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
    }
    if method:
        spec["distinguisherMethod"] = {"type": method}
    return {**spec, "rules": [{"subjects": list(subjects), **rules}]}


FIXED_FLOW_SCHEMAS: Final[Mapping[str, Tree]] = {
    "exempt": _schema("exempt", 1, "", [_group("system:masters")]),
    "catch-all": _schema("catch-all", 10_000, "ByUser", _EVERYBODY),
}
_LEADERS: Final = (
    _user("system:kube-controller-manager"),
    _user("system:kube-scheduler"),
    _SYSTEM_ACCOUNTS,
)
FLOW_SCHEMAS: Final[Mapping[str, Tree]] = {
    **FIXED_FLOW_SCHEMAS,
    "global-default": _schema("global-default", 9900, "ByUser", _EVERYBODY),
    "kube-controller-manager": _schema(
        "workload-high", 800, "ByNamespace", [_user("system:kube-controller-manager")]
    ),
    "kube-scheduler": _schema(
        "workload-high", 800, "ByNamespace", [_user("system:kube-scheduler")]
    ),
    "kube-system-service-accounts": _schema(
        "workload-high", 900, "ByNamespace", [_SYSTEM_ACCOUNTS]
    ),
    "probes": _schema(
        "exempt", 2, "", _EVERYBODY,
        {"nonResourceRules": [_paths("get", "/healthz", "/readyz", "/livez")]},
    ),
    "service-accounts": _schema(
        "workload-low", 9000, "ByUser", [_group("system:serviceaccounts")]
    ),
    "system-leader-election": _schema(
        "leader-election", 100, "ByUser", _LEADERS,
        {
            "resourceRules": [
                _resources(
                    ("get", "create", "update"), "coordination.k8s.io", ("leases",), cluster=False
                )
            ]
        },
    ),
    "system-node-high": _schema(
        "node-high", 400, "ByUser", [_group("system:nodes")],
        {
            "resourceRules": [
                _resources(("*",), "", ("nodes", "nodes/status"), cluster=True),
                _resources(("*",), "coordination.k8s.io", ("leases",), cluster=False),
            ]
        },
    ),
    "system-nodes": _schema("system", 500, "ByUser", [_group("system:nodes")]),
}  # fmt: skip
