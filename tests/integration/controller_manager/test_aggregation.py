"""ClusterRoles that gather the rules of others follow them."""

from __future__ import annotations

from typing import Any

from apiserver.bootstrap_policy import policy
from tests.integration.controller_manager.conftest import until
from wherry.api.rbac_v1 import ClusterRole


def rule(resource: str) -> dict[str, Any]:
    return {"verbs": ["get"], "apiGroups": [""], "resources": [resource]}


async def resources(cluster: Any, name: str) -> list[str]:
    role = await cluster.client.get(ClusterRole, name)
    return [resource for one in role.rules for resource in one.resources]


async def test_a_role_gathers_what_is_labelled_for_it(cluster: Any) -> None:
    mine, label = f"{cluster.namespace}-all", f"{cluster.namespace}/part"

    def part(name: str, resource: str) -> ClusterRole:
        metadata = {"name": f"{cluster.namespace}-{name}", "labels": {label: "true"}}
        return ClusterRole.from_wire({"metadata": metadata, "rules": [rule(resource)]})

    selector = {"matchLabels": {label: "true"}}
    gathering = ClusterRole.from_wire(
        {
            "metadata": {"name": mine},
            "rules": [],
            "aggregationRule": {"clusterRoleSelectors": [selector]},
        }
    )
    await cluster.client.create(part("b", "pods"))
    await cluster.client.create(gathering)

    async def is_(want: list[str]) -> bool:
        return await resources(cluster, mine) == want

    await until(lambda: is_(["pods"]))
    await cluster.client.create(part("a", "secrets"))
    await until(lambda: is_(["secrets", "pods"]))
    patch = {"metadata": {"labels": None}}
    await cluster.client.patch(ClusterRole, f"{cluster.namespace}-b", "", patch, type="merge")
    await until(lambda: is_(["secrets"]))
    by_hand = {"rules": [rule("nodes")]}
    await cluster.client.patch(ClusterRole, mine, "", by_hand, type="merge")
    await until(lambda: is_(["secrets"]))


async def test_the_default_roles_are_filled(cluster: Any) -> None:
    parts = {
        tree["metadata"]["name"]: [r for one in tree["rules"] or () for r in one["resources"]]
        for resource, tree in policy.objects()
        if resource is policy.CLUSTER_ROLES and "aggregate-to" in tree["metadata"]["name"]
    }

    async def filled() -> bool:
        held = {name: set(await resources(cluster, name)) for name in ("view", "edit", "admin")}
        view = set(parts["system:aggregate-to-view"])
        edit = view | set(parts["system:aggregate-to-edit"])
        admin = edit | set(parts["system:aggregate-to-admin"])
        return held == {"view": view, "edit": edit, "admin": admin}

    await until(filled)
