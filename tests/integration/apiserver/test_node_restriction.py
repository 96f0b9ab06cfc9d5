"""NodeRestriction behind the Node authorizer: a node that was taken over gets no further than itself."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.integration.conftest import ApiServer, Etcd, running_apiserver, running_etcd

MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
MIRROR = "kubernetes.io/config.mirror"


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with running_etcd() as etcd:
        yield from _guarded(etcd)


def _guarded(etcd: Etcd) -> Iterator[ApiServer]:
    with running_apiserver(
        etcd, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"
    ) as running:
        yield running


@pytest.fixture
async def admin(server: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


class Cluster:
    """Two nodes; a pod with a token on each; and clients that act as the nodes."""

    def __init__(self, admin: httpx.AsyncClient, namespace: str) -> None:
        self.admin = admin
        self.namespace = namespace
        self.mine = f"{namespace}-mine"
        self.other = f"{namespace}-other"
        self.pods: dict[str, Any] = {}

    @property
    def root(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    def as_node(self) -> dict[str, str]:
        return {
            "Impersonate-User": f"system:node:{self.mine}",
            "Impersonate-Group": "system:nodes",
        }

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """As the node `mine`."""
        content = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json", **headers, **self.as_node()}
        return await self.admin.request(method, path, content=content, headers=sent)

    async def make(self) -> None:
        post = self.admin.post
        named = {"metadata": {"name": self.namespace}}
        (await post("/api/v1/namespaces", json=named)).raise_for_status()
        account = {"metadata": {"name": "default"}}
        (await post(f"{self.root}/serviceaccounts", json=account)).raise_for_status()
        for node in (self.mine, self.other):
            (await post("/api/v1/nodes", json={"metadata": {"name": node}})).raise_for_status()
            body = {
                "metadata": {"name": f"on-{node}"},
                "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]},
            }
            answer = await post(f"{self.root}/pods", json=body)
            answer.raise_for_status()
            self.pods[node] = answer.json()

    def pod(self, node: str) -> str:
        return f"{self.root}/pods/on-{node}"

    def token(self, node: str, **spec: Any) -> dict[str, Any]:
        metadata = self.pods[node]["metadata"]
        ref = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        return {"spec": {"boundObjectRef": ref, **spec}}


@pytest.fixture
async def cluster(admin: httpx.AsyncClient) -> Cluster:
    made = Cluster(admin, f"nr-{uuid.uuid4().hex[:8]}")
    await made.make()
    return made


async def test_what_a_kubelet_does_all_day(cluster: Cluster) -> None:
    mine = cluster.mine
    labels = {
        "metadata": {"labels": {"kubernetes.io/hostname": mine, "beta.kubernetes.io/os": "l"}}
    }
    answers = [
        await cluster.ask("PATCH", f"/api/v1/nodes/{mine}", labels, **MERGE),
        await cluster.ask(
            "PATCH", f"/api/v1/nodes/{mine}/status", {"status": {"capacity": {"cpu": "1"}}},
            **STRATEGIC,
        ),
        await cluster.ask(
            "PATCH", f"{cluster.pod(mine)}/status", {"status": {"phase": "Running"}}, **STRATEGIC
        ),
        await cluster.ask(
            "POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
            {"metadata": {"name": mine}, "spec": {"holderIdentity": mine}},
        ),
        await cluster.ask(
            "POST", f"{cluster.root}/serviceaccounts/default/token", cluster.token(mine)
        ),
        await cluster.ask("POST", f"{cluster.root}/events", {
            "metadata": {"name": "e", "namespace": cluster.namespace},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": cluster.namespace},
        }),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200, 200, 201, 201, 201], [
        answer.text for answer in answers
    ]
    gone = await cluster.ask("DELETE", f"{cluster.pod(mine)}?gracePeriodSeconds=0")
    assert gone.status_code == 200


async def test_a_mirror_pod(cluster: Cluster) -> None:
    mine = cluster.mine
    node = (await cluster.admin.get(f"/api/v1/nodes/{mine}")).json()
    owner = {
        "apiVersion": "v1", "kind": "Node", "name": mine, "uid": node["metadata"]["uid"],
        "controller": True,
    }  # fmt: skip
    pod: dict[str, Any] = {
        "metadata": {"name": "m", "annotations": {MIRROR: "x"}, "ownerReferences": [owner]},
        "spec": {"nodeName": mine, "containers": [{"name": "c", "image": "i"}]},
    }
    made = await cluster.ask("POST", f"{cluster.root}/pods", pod)
    assert made.status_code == 201, made.text
    pod["metadata"]["name"] = "n"
    pod["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "any"}}]
    answer = await cluster.ask("POST", f"{cluster.root}/pods", pod)
    assert answer.status_code == 403
    assert "secret" in answer.json()["message"]
    pod["spec"] = {"nodeName": cluster.other, "containers": [{"name": "c", "image": "i"}]}
    answer = await cluster.ask("POST", f"{cluster.root}/pods", pod)
    assert answer.json()["message"] == (
        f'pods "n" is forbidden: node "{mine}" can only create pods with spec.nodeName set to itself'
    )


async def test_no_pod_of_its_own_making(cluster: Cluster) -> None:
    pod = {
        "metadata": {"name": "p"},
        "spec": {"nodeName": cluster.mine, "containers": [{"name": "c", "image": "i"}]},
    }
    answer = await cluster.ask("POST", f"{cluster.root}/pods", pod)
    assert answer.status_code == 403
    assert 'pod does not have "kubernetes.io/config.mirror" annotation' in answer.text.replace(
        "\\", ""
    )


async def test_no_other_node(cluster: Cluster) -> None:
    other = cluster.other
    for path, body in (
        (f"/api/v1/nodes/{other}", {"metadata": {"labels": {"a": "b"}}}),
        (f"/api/v1/nodes/{other}/status", {"status": {"capacity": {"cpu": "1"}}}),
        (f"{cluster.pod(other)}/status", {"status": {"phase": "Failed"}}),
    ):
        answer = await cluster.ask("PATCH", path, body, **MERGE)
        assert answer.status_code == 403, answer.text
    answer = await cluster.ask("DELETE", cluster.pod(other))
    assert answer.status_code == 403
    lease = {"metadata": {"name": other}, "spec": {"holderIdentity": other}}
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    answer = await cluster.ask("POST", path, lease)
    assert answer.json()["message"] == (
        f'leases.coordination.k8s.io "{other}" is forbidden: can only access node lease with the '
        "same name as the requesting node"
    )
    made = await cluster.ask("POST", "/api/v1/nodes", {"metadata": {"name": f"{other}-2"}})
    assert made.status_code == 403


async def test_no_labels_and_taints_that_draw_pods(cluster: Cluster) -> None:
    path = f"/api/v1/nodes/{cluster.mine}"
    label = {"metadata": {"labels": {"node-restriction.kubernetes.io/secrets": "yes"}}}
    for body in (label, {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}):
        answer = await cluster.ask("PATCH", path, body, **MERGE)
        assert answer.status_code == 403
        assert "is not allowed to modify labels: node-r" in answer.json()["message"]
    answer = await cluster.ask("PATCH", path, {"spec": {"taints": []}}, **MERGE)
    assert answer.json()["message"].endswith(
        f'node "{cluster.mine}" is not allowed to modify taints'
    )
    # Not by the back door either: a status write carries no labels in, whoever sends them.
    answer = await cluster.ask("PATCH", f"{path}/status", label, **MERGE)
    assert answer.status_code == 403
    stored = (await cluster.admin.get(path)).json()
    assert "node-restriction.kubernetes.io/secrets" not in stored["metadata"].get("labels", {})


async def test_no_token_but_for_its_pods(cluster: Cluster) -> None:
    path = f"{cluster.root}/serviceaccounts/default/token"
    for body, why in (
        ({"spec": {}}, "node requested token not bound to a pod"),
        (cluster.token(cluster.other), "bound to a pod scheduled on a different node"),
        (
            cluster.token(cluster.mine, audiences=["vault"]),
            'audience "vault" not found in pod spec volume',
        ),
        (cluster.token(cluster.mine, audiences=["a", "b"]), "may only request 0 or 1 audiences"),
    ):
        answer = await cluster.ask("POST", path, body)
        assert answer.status_code == 403, answer.text
        # The Node authorizer may refuse first; then it says its own.
        assert why in answer.json()["message"] or "no relationship found" in answer.text


async def test_no_eviction_of_others_pods(cluster: Cluster) -> None:
    def eviction(node: str) -> dict[str, Any]:
        return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": f"on-{node}"}}

    other = cluster.other
    answer = await cluster.ask("POST", f"{cluster.pod(other)}/eviction", eviction(other))
    assert answer.json()["message"] == (
        f'pods "on-{other}" is forbidden: node {cluster.mine} can only evict pods with '
        "spec.nodeName set to itself"
    )
    mine = cluster.mine
    answer = await cluster.ask("POST", f"{cluster.pod(mine)}/eviction", eviction(mine))
    assert answer.status_code == 201, answer.text


async def test_without_the_plugin_only_the_authorizer_stands(
    admin: httpx.AsyncClient, shared_apiserver: ApiServer
) -> None:
    """What the plug-in is for: with it off, and everything allowed, a node changes another."""
    name = f"n-{uuid.uuid4().hex[:8]}"
    headers = {"Impersonate-User": "system:node:thief", "Impersonate-Group": "system:nodes"}
    async with shared_apiserver.client() as client:
        await client.post("/api/v1/nodes", json={"metadata": {"name": name}})
        answer = await client.patch(
            f"/api/v1/nodes/{name}", content=json.dumps({"metadata": {"labels": {"a": "b"}}}),
            headers={**MERGE, **headers},
        )  # fmt: skip
    assert answer.status_code == 200
