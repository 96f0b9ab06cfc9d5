"""The daemons' rights: whose, and no more than their controllers need."""

from __future__ import annotations

from typing import Any

from apiserver.bootstrap_policy import policy
from controller_manager.registry import CONTROLLERS
from deploy.cluster_pki import USERS
from deploy.rights import CONTROLLER_ROLES, KUBELET_CLIENT, PROXY, objects, path_of

DEFAULTS: dict[str, list[Any]] = {
    tree["metadata"]["name"]: tree["rules"] or []
    for resource, tree in policy.objects()
    if resource is policy.CLUSTER_ROLES
}


def test_every_controller_has_a_role_and_no_other() -> None:
    # What is off by default has roles within namespaces, see deploy/joining.py.
    assert {one.name for one in CONTROLLERS if one.by_default} == CONTROLLER_ROLES.keys()
    roles = filter(None, CONTROLLER_ROLES.values())
    assert {f"system:controller:{role}" for role in roles} <= DEFAULTS.keys()


def test_every_binding_is_of_a_daemons_user_and_a_role_that_there_is() -> None:
    made = objects(DEFAULTS)
    roles = {(one["kind"], one["metadata"]["name"]) for one in made if "rules" in one}
    roles |= {("ClusterRole", name) for name in DEFAULTS}
    for one in made:
        if "roleRef" not in one:
            continue
        assert (one["roleRef"]["kind"], one["roleRef"]["name"]) in roles
        (subject,) = one["subjects"]
        assert subject["name"] in {*USERS.values(), KUBELET_CLIENT, PROXY}


def test_no_daemon_but_the_garbage_collector_may_touch_every_kind() -> None:
    collector = DEFAULTS["system:controller:generic-garbage-collector"]
    for one in objects(DEFAULTS):
        for rule in one.get("rules", ()):
            if rule in collector:
                continue
            wide = "*" in rule.get("apiGroups", ()) and "*" in rule.get("resources", ())
            assert not wide or set(rule["verbs"]) <= {"get", "list", "watch", "delete",
                                                      "deletecollection"}, rule  # fmt: skip
            assert "*" not in rule["verbs"] or rule["resources"] != ["*"], rule


def test_paths() -> None:
    paths = {path_of(one) for one in objects(DEFAULTS)}
    group = "/apis/rbac.authorization.k8s.io/v1"
    assert f"{group}/clusterroles/wherry:controllers" in paths
    assert f"{group}/namespaces/kube-system/rolebindings/wherry:dns" in paths
