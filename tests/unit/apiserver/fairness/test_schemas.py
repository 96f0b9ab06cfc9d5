"""Which FlowSchema a request belongs to, with upstream's defaults and in the odd cases."""

from __future__ import annotations

import pytest

from apiserver.fairness.schemas import Schema, Schemas
from apiserver.registry.flowcontrol.bootstrap import FLOW_SCHEMAS
from apiserver.request import RequestInfo, User
from wherry.api.scheme import BY_PLURAL

PODS, NODES = BY_PLURAL["", "v1", "pods"], BY_PLURAL["", "v1", "nodes"]
LEASES = BY_PLURAL["coordination.k8s.io", "v1", "leases"]
AUTHENTICATED = "system:authenticated"
KUBELET = User("system:node:a", groups=("system:nodes", AUTHENTICATED))
DEFAULTS = Schemas([Schema.of(name, name, spec) for name, spec in FLOW_SCHEMAS.items()])


def account(namespace: str, name: str) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups=groups)


@pytest.mark.parametrize(
    ("user", "info", "schema", "flow"),
    [
        (User("a", groups=("system:masters",)), RequestInfo("get", "/x", PODS), "exempt", ""),
        (KUBELET, RequestInfo("update", "/x", LEASES, "kube-node-lease", "a"), "system-node-high", "system:node:a"),
        (KUBELET, RequestInfo("patch", "/x", NODES, "", "a", "status"), "system-node-high", "system:node:a"),
        (KUBELET, RequestInfo("list", "/x", PODS), "system-nodes", "system:node:a"),
        (User("system:kube-scheduler"), RequestInfo("update", "/x", LEASES, "kube-system", "s"), "system-leader-election", "system:kube-scheduler"),
        (User("system:kube-scheduler"), RequestInfo("list", "/x", PODS, "default"), "kube-scheduler", "default"),
        (account("kube-system", "dns"), RequestInfo("list", "/x", PODS), "kube-system-service-accounts", ""),
        (account("default", "app"), RequestInfo("list", "/x", PODS), "service-accounts", "system:serviceaccount:default:app"),
        (User("jane", groups=(AUTHENTICATED,)), RequestInfo("list", "/x", PODS), "global-default", "jane"),
        (User("jane", groups=(AUTHENTICATED,)), RequestInfo("get", "/healthz/etcd"), "probes", ""),
        (User("jane", groups=(AUTHENTICATED,)), RequestInfo("get", "/apis"), "global-default", "jane"),
        (User("nobody"), RequestInfo("get", "/apis"), "catch-all", "nobody"),
    ],
)  # fmt: skip
def test_upstreams_defaults(user, info, schema, flow):
    for _ in range(2):  # once thinking, once remembering
        found = DEFAULTS.of(info, user)
        assert (found.name, found.flow(info, user)) == (schema, flow)


def test_precedence_then_name():
    rules = [{"subjects": [{"kind": "User", "user": {"name": "*"}}], "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]},
    ]}]  # fmt: skip

    def schema(name: str, precedence: int) -> Schema:
        spec = {"priorityLevelConfiguration": {"name": "l"}, "matchingPrecedence": precedence, "rules": rules}  # fmt: skip
        return Schema.of(name, name, spec)

    schemas = Schemas([schema("b", 5), schema("a", 5), schema("catch-all", 10000), schema("z", 9)])
    assert schemas.of(RequestInfo("get", "/x", PODS, "default"), User("u")).name == "a"
    cluster = RequestInfo("list", "/x", PODS)
    assert schemas.of(cluster, User("u")).name == "catch-all", "clusterScope was not said"
