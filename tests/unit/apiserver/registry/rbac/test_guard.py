"""Which writes of roles and bindings are looked at, and by which rights they pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.authz.authorizer import MASTERS
from apiserver.authz.rbac import CLUSTER_ROLES, ROLE_BINDINGS
from apiserver.registry.rbac.guard import Guard, only_collected
from apiserver.request import RequestContext, RequestInfo, User
from tests.unit.apiserver.authz.policies import Cluster, binding, role, rule
from wherry.api.errors import ApiError
from wherry.api.scheme import Resource

GROUP = "rbac.authorization.k8s.io"
STRONG = role("strong", rule("get", "core", "secrets"))
PODS = rule("get list", "core", "pods")


def context(user: str, resource: Resource, *, verb: str = "create", name: str = "",
            groups: tuple[str, ...] = (), namespace: str = "") -> RequestContext:  # fmt: skip
    info = RequestInfo(verb, "", resource, namespace, name)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return RequestContext(info, User(user, groups=groups), {}, "", "", "", now)


def guard(*given: Any) -> Guard:
    """Eve may read pods, and what is given."""
    cluster = Cluster([role("eve", PODS, *given), binding("eve", "eve", "User eve"), STRONG])
    return Guard(cluster.rbac, cluster.policy)


def refused(act: Any) -> str:
    with pytest.raises(ApiError) as error:
        act()
    return f"{error.value.code} {error.value.message}"


def test_roles() -> None:
    own, ctx = guard(), context("eve", CLUSTER_ROLES)
    own.role(CLUSTER_ROLES, role("r", PODS), None, ctx)
    assert refused(lambda: own.role(CLUSTER_ROLES, STRONG, None, ctx)) == (
        f'403 clusterroles.{GROUP} "strong" is forbidden: user "eve" (groups=[]) is attempting to '
        'grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], '
        'Verbs:["get"]}'
    )
    own.role(CLUSTER_ROLES, STRONG, None, context("x", CLUSTER_ROLES, groups=(MASTERS,)))


def test_escalate_by_name_is_for_that_name_only() -> None:
    named = guard(rule("escalate", GROUP, "clusterroles", "strong"))
    update = context("eve", CLUSTER_ROLES, verb="update", name="strong")
    named.role(CLUSTER_ROLES, STRONG, role("strong"), update)
    # A creation has no name that could be allowed.
    assert refused(
        lambda: named.role(CLUSTER_ROLES, STRONG, None, context("eve", CLUSTER_ROLES))
    ).startswith("403")


def test_what_the_garbage_collector_changes_passes() -> None:
    old = {**STRONG, "metadata": {"name": "strong", "uid": "u", "finalizers": ["f"]}}
    new = {**STRONG, "metadata": {"name": "strong", "uid": "u", "ownerReferences": []}}
    assert only_collected(new, old)
    assert not only_collected({**new, "rules": []}, old)
    labelled = {**new, "metadata": {**new["metadata"], "labels": {"a": "b"}}}
    assert not only_collected(labelled, old)
    ctx = context("eve", CLUSTER_ROLES, verb="update", name="strong")
    guard().role(CLUSTER_ROLES, new, old, ctx)
    assert refused(lambda: guard().role(CLUSTER_ROLES, labelled, old, ctx)).startswith("403")


def test_bindings() -> None:
    ctx = context("eve", ROLE_BINDINGS, namespace="ns")
    strong = binding("b", "strong", "User eve", namespace="ns")
    weak = binding("b", "eve", "User joe", namespace="ns")
    guard().binding(ROLE_BINDINGS, weak, None, ctx)
    assert refused(lambda: guard().binding(ROLE_BINDINGS, strong, None, ctx)).startswith(
        f'403 rolebindings.{GROUP} "b" is forbidden: user "eve"'
    )
    guard(rule("bind", GROUP, "clusterroles", "strong")).binding(ROLE_BINDINGS, strong, None, ctx)
    lost = binding("b", "lost", "User eve", namespace="ns", kind="Role")
    assert refused(lambda: guard().binding(ROLE_BINDINGS, lost, None, ctx)) == (
        f'404 roles.{GROUP} "lost" not found'
    )


def test_a_kind_that_is_no_role_is_left_to_validation() -> None:
    odd = binding("b", "strong", "User eve", namespace="ns", kind="Secret")
    guard().binding(ROLE_BINDINGS, odd, None, context("eve", ROLE_BINDINGS, namespace="ns"))


def test_gathering_takes_all_rights() -> None:
    selector = {"matchLabels": {"a": "b"}}
    gathering = {**role("g"), "aggregationRule": {"clusterRoleSelectors": [selector]}}
    ctx = context("eve", CLUSTER_ROLES)
    words = "must have cluster-admin privileges to use the aggregationRule"
    assert words in refused(lambda: guard().role(CLUSTER_ROLES, gathering, None, ctx))
    assert words in refused(lambda: guard().role(CLUSTER_ROLES, role("g"), gathering, ctx))
    everything = (rule("*", "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]})
    guard(*everything).role(CLUSTER_ROLES, gathering, None, ctx)
