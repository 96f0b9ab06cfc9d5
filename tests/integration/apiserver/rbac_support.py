"""Clients of all kinds of users, and roles and bindings to give them."""

from __future__ import annotations

import secrets
import ssl
from typing import Any

import httpx

from tests.integration.conftest import TOKEN, ApiServer

GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"
Tree = dict[str, Any]


def fresh(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{secrets.token_hex(4)}"


class People:
    """Asks the server as anybody, by impersonation from system:masters."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._open: list[httpx.AsyncClient] = []

    def client(self, user: str = "", *groups: str) -> httpx.AsyncClient:
        """A client of that user; of the administrator without one."""
        headers = [("Authorization", f"Bearer {TOKEN}")]
        if user:
            headers.append(("Impersonate-User", user))
            headers += [("Impersonate-Group", group) for group in groups]
        made = httpx.AsyncClient(
            base_url=self._server.url,
            verify=ssl.create_default_context(cafile=str(self._server.ca_file)),
            headers=headers,
            timeout=60,
        )
        self._open.append(made)
        return made

    def node(self, name: str) -> httpx.AsyncClient:
        return self.client(f"system:node:{name}", "system:nodes")

    async def close(self) -> None:
        for client in self._open:
            await client.aclose()


async def make(client: httpx.AsyncClient, path: str, tree: Tree, want: int = 201) -> Tree:
    answer = await client.post(path, json=tree)
    assert answer.status_code == want, answer.text
    body: Tree = answer.json()
    return body


def rule(verbs: str, groups: str, resources: str, names: str = "") -> Tree:
    made = {
        "verbs": verbs.split(),
        "apiGroups": ["" if one == "core" else one for one in groups.split()],
        "resources": resources.split(),
    }
    return made | ({"resourceNames": names.split()} if names else {})


def role(name: str, *rules: Tree, namespace: str = "", **more: Any) -> Tree:
    kind = "Role" if namespace else "ClusterRole"
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "rules": list(rules),
        **more,
    }


def binding(
    name: str, to: str, *users: str, namespace: str = "", kind: str = "ClusterRole"
) -> Tree:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": to},
        "subjects": [{"kind": "User", "apiGroup": GROUP, "name": user} for user in users],
    }


def at(kind: str, namespace: str = "") -> str:
    """The collection of `roles`, `clusterrolebindings`, ..."""
    return f"{RBAC}/namespaces/{namespace}/{kind}" if namespace else f"{RBAC}/{kind}"


async def space(admin: httpx.AsyncClient) -> str:
    """A namespace of the test's own, with its default account."""
    name = fresh("rbac")
    await make(admin, "/api/v1/namespaces", {"metadata": {"name": name}})
    await make(
        admin, f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}}
    )
    return name


async def allow(admin: httpx.AsyncClient, user: str, *rules: Tree, namespace: str = "") -> str:
    """Give a user rights, cluster-wide or in a namespace; the role's name."""
    name = fresh("given")
    kinds = ("roles", "rolebindings") if namespace else ("clusterroles", "clusterrolebindings")
    await make(admin, at(kinds[0], namespace), role(name, *rules, namespace=namespace))
    kind = "Role" if namespace else "ClusterRole"
    bound = binding(name, name, user, namespace=namespace, kind=kind)
    await make(admin, at(kinds[1], namespace), bound)
    return name
