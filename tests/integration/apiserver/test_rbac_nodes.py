"""Node credentials: what they open, and what they do not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.integration.apiserver.rbac_support import People, fresh, make, space
from tests.integration.conftest import ApiServer, Etcd, running_apiserver

MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def server(shared_etcd: Etcd) -> Iterator[ApiServer]:
    flags = ("--authorization-mode=Node,RBAC", "--etcd-prefix=/nodes")
    with running_apiserver(shared_etcd, *flags) as made:
        yield made


@pytest.fixture
async def people(server: ApiServer) -> AsyncIterator[People]:
    made = People(server)
    yield made
    await made.close()


@pytest.fixture
def admin(people: People) -> httpx.AsyncClient:
    return people.client()


async def bound_pod(admin: httpx.AsyncClient, namespace: str, node: str, **spec: Any) -> str:
    """A pod on a node, as a scheduler would have put it there."""
    name = fresh("pod")
    container = {"name": "c", "image": "i"}
    pod = {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}
    pods = f"/api/v1/namespaces/{namespace}/pods"
    await make(admin, pods, pod)
    target = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
    await make(admin, f"{pods}/{name}/binding", target)
    return name


async def two_nodes(people: People, admin: httpx.AsyncClient) -> tuple[str, str]:
    names = fresh("node"), fresh("node")
    for name in names:
        await make(people.node(name), "/api/v1/nodes", {"metadata": {"name": name}})
    return names


async def test_secrets_of_its_own_pods_only(people: People, admin: httpx.AsyncClient) -> None:
    namespace = await space(admin)
    mine, other = await two_nodes(people, admin)
    objects = f"/api/v1/namespaces/{namespace}"
    for name in ("mine", "others"):
        await make(admin, f"{objects}/secrets", {"metadata": {"name": name}})
        await make(admin, f"{objects}/configmaps", {"metadata": {"name": name}})

    def volumes(name: str) -> list[Any]:
        return [
            {"name": "s", "secret": {"secretName": name}},
            {"name": "c", "configMap": {"name": name}},
        ]

    pod = await bound_pod(admin, namespace, mine, volumes=volumes("mine"))
    await bound_pod(admin, namespace, other, volumes=volumes("others"))
    node = people.node(mine)
    for kind in ("secrets", "configmaps"):
        assert (await node.get(f"{objects}/{kind}/mine")).status_code == 200
        one = {"fieldSelector": "metadata.name=mine"}
        listed = await node.get(f"{objects}/{kind}", params=one)
        assert [item["metadata"]["name"] for item in listed.json()["items"]] == ["mine"]
        for path, params in (
            (f"{objects}/{kind}/others", {}),
            (f"{objects}/{kind}", {}),
            (f"{objects}/{kind}", {"fieldSelector": "metadata.name=others"}),
            (f"{objects}/{kind}", {"fieldSelector": "metadata.name!=mine"}),
            (f"/api/v1/{kind}", {}),
            (f"/api/v1/{kind}", one),
        ):
            answer = await node.get(path, params=params)
            assert answer.status_code == 403, (path, params)
    refusal = (await node.get(f"{objects}/secrets/others")).json()["message"]
    assert refusal.endswith(f"no relationship found between node '{mine}' and this object")
    await admin.delete(f"{objects}/pods/{pod}", params={"gracePeriodSeconds": 0})
    assert (await node.get(f"{objects}/secrets/mine")).status_code == 403


async def test_pods_and_nodes_of_others_are_not_listed(
    people: People, admin: httpx.AsyncClient
) -> None:
    namespace = await space(admin)
    mine, other = await two_nodes(people, admin)
    own = await bound_pod(admin, namespace, mine)
    foreign = await bound_pod(admin, namespace, other)
    node = people.node(mine)
    limited = await node.get("/api/v1/pods", params={"fieldSelector": f"spec.nodeName={mine}"})
    assert [item["metadata"]["name"] for item in limited.json()["items"]] == [own]
    for selector in ("", f"spec.nodeName={other}", f"spec.nodeName!={mine}"):
        params = {"fieldSelector": selector} if selector else {}
        assert (await node.get("/api/v1/pods", params=params)).status_code == 403
    pods = f"/api/v1/namespaces/{namespace}/pods"
    assert (await node.get(f"{pods}/{own}")).status_code == 200
    assert (await node.get(f"{pods}/{foreign}")).status_code == 403
    assert (await node.get(f"/api/v1/nodes/{mine}")).status_code == 200
    assert (await node.get(f"/api/v1/nodes/{other}")).status_code == 403
    assert (await node.get("/api/v1/nodes")).status_code == 403


async def test_tokens_of_the_accounts_of_its_pods_only(
    people: People, admin: httpx.AsyncClient
) -> None:
    namespace = await space(admin)
    mine, other = await two_nodes(people, admin)
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    for name in ("used", "strong"):
        await make(admin, accounts, {"metadata": {"name": name}})
    pod = await bound_pod(admin, namespace, mine, serviceAccountName="used")
    await bound_pod(admin, namespace, other, serviceAccountName="strong")
    uid = (await admin.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")).json()["metadata"]["uid"]
    ref = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": ref},
    }
    node = people.node(mine)
    assert (await node.post(f"{accounts}/used/token", json=body)).status_code == 201
    assert (await node.post(f"{accounts}/strong/token", json=body)).status_code == 403


async def test_leases_of_others_and_elections(people: People, admin: httpx.AsyncClient) -> None:
    mine, other = await two_nodes(people, admin)
    node = people.node(mine)
    group = "/apis/coordination.k8s.io/v1/namespaces"
    leases = f"{group}/kube-node-lease/leases"
    await make(node, leases, {"metadata": {"name": mine}})
    await make(people.node(other), leases, {"metadata": {"name": other}})
    change = json.dumps({"spec": {"holderIdentity": "x"}})
    assert (await node.patch(f"{leases}/{mine}", content=change, headers=MERGE)).status_code == 200
    for path in (
        f"{leases}/{other}",
        f"{group}/kube-system/leases/kube-controller-manager",
    ):
        answer = await node.patch(path, content=change, headers=MERGE)
        assert answer.status_code == 403, path


async def test_a_node_is_nothing_else(people: People, admin: httpx.AsyncClient) -> None:
    mine, _ = await two_nodes(people, admin)
    node = people.node(mine)
    for path in (
        "/apis/apps/v1/deployments",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/api/v1/namespaces",
        f"/api/v1/nodes/{mine}/proxy/pods",
    ):
        assert (await node.get(path)).status_code == 403, path
    # The group alone opens nothing, nor does the name alone.
    for client in (people.client("jane", "system:nodes"), people.client(f"system:node:{mine}")):
        assert (await client.get(f"/api/v1/nodes/{mine}")).status_code == 403
