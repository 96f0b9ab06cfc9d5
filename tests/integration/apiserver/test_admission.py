"""Admission on a real server: what a pod, a node and a namespace look like afterwards."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

SPEC: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}]}


def body(kind: str, name: str, version: str = "v1", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}


@pytest.fixture
async def client(shared_apiserver: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with shared_apiserver.client() as client:
        yield client


@pytest.fixture
async def namespace(client: httpx.AsyncClient) -> str:
    """A namespace with its default account."""
    name = f"a-{uuid.uuid4().hex[:8]}"
    (await client.post("/api/v1/namespaces", json=body("Namespace", name))).raise_for_status()
    path = f"/api/v1/namespaces/{name}/serviceaccounts"
    (await client.post(path, json=body("ServiceAccount", "default"))).raise_for_status()
    return name


async def test_a_pod_gets_all_it_needs(client: httpx.AsyncClient, namespace: str) -> None:
    answer = await client.post(
        f"/api/v1/namespaces/{namespace}/pods", json=body("Pod", "p", spec=SPEC)
    )
    spec = answer.json()["spec"]
    assert spec["serviceAccountName"] == "default"
    assert spec["priority"] == 0
    assert spec["preemptionPolicy"] == "PreemptLowerPriority"
    assert [one["key"] for one in spec["tolerations"]] == [
        "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable",
    ]  # fmt: skip
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount["name"] == volume["name"]


async def test_system_priority_classes_are_there(client: httpx.AsyncClient, namespace: str) -> None:
    pod = body("Pod", "p", spec={**SPEC, "priorityClassName": "system-node-critical"})
    answer = await client.post(f"/api/v1/namespaces/{namespace}/pods", json=pod)
    assert answer.json()["spec"]["priority"] == 2_000_001_000
    pod = body("Pod", "q", spec={**SPEC, "priorityClassName": "none"})
    answer = await client.post(f"/api/v1/namespaces/{namespace}/pods", json=pod)
    assert answer.status_code == 403
    assert answer.json()["message"] == (
        'pods "q" is forbidden: no PriorityClass with name none was found'
    )


async def test_no_namespace_no_object(client: httpx.AsyncClient, namespace: str) -> None:
    config = body("ConfigMap", "c")
    answer = await client.post("/api/v1/namespaces/none/configmaps", json=config)
    assert answer.status_code == 404
    assert answer.json()["message"] == 'namespaces "none" not found'
    (await client.delete(f"/api/v1/namespaces/{namespace}")).raise_for_status()
    answer = await client.post(f"/api/v1/namespaces/{namespace}/configmaps", json=config)
    assert answer.status_code == 403
    assert answer.json()["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    for name in ("default", "kube-system", "kube-public"):
        answer = await client.delete(f"/api/v1/namespaces/{name}")
        assert answer.status_code == 403


async def test_an_account_just_made_is_known(client: httpx.AsyncClient, namespace: str) -> None:
    for number in range(20):
        account = body("ServiceAccount", f"bot-{number}")
        pod = body("Pod", f"p-{number}", spec={**SPEC, "serviceAccountName": f"bot-{number}"})
        root = f"/api/v1/namespaces/{namespace}"
        (await client.post(f"{root}/serviceaccounts", json=account)).raise_for_status()
        (await client.post(f"{root}/pods", json=pod)).raise_for_status()
    lost = body("Pod", "lost", spec={**SPEC, "serviceAccountName": "none"})
    answer = await client.post(f"{root}/pods", json=lost)
    assert answer.status_code == 403
    assert answer.json()["message"].endswith('serviceaccount "none" not found')


async def test_new_nodes_wait_for_the_node_controller(client: httpx.AsyncClient) -> None:
    name = f"n-{uuid.uuid4().hex[:8]}"
    node = (await client.post("/api/v1/nodes", json=body("Node", name))).json()
    assert node["spec"]["taints"] == [
        {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    ]


async def test_evicting_a_pod_deletes_it(client: httpx.AsyncClient, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    pod = (await client.post(pods, json=body("Pod", "p", spec=SPEC))).json()
    wrong = body("Eviction", "p", "policy/v1")
    wrong["deleteOptions"] = {"preconditions": {"uid": "another"}}
    assert (await client.post(f"{pods}/p/eviction", json=wrong)).status_code == 409
    right = body("Eviction", "p", "policy/v1")
    right["deleteOptions"] = {
        "gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]},
    }  # fmt: skip
    dry = await client.post(f"{pods}/p/eviction?dryRun=All", json=right)
    assert dry.status_code == 201
    assert (await client.get(f"{pods}/p")).status_code == 200
    answer = await client.post(f"{pods}/p/eviction", json=right)
    assert (answer.status_code, answer.json()["status"]) == (201, "Success")
    assert (await client.get(f"{pods}/p")).status_code == 404
    assert (await client.post(f"{pods}/p/eviction", json=right)).status_code == 404


async def test_a_switched_off_plugin_stays_off(make_apiserver: Any) -> None:
    server = make_apiserver(
        "--disable-admission-plugins=ServiceAccount,DefaultTolerationSeconds",
    )
    async with server.client() as client:
        pod = body("Pod", "p", spec=SPEC)
        answer = await client.post("/api/v1/namespaces/default/pods", json=pod)
        assert answer.status_code == 201
        assert "serviceAccountName" not in answer.json()["spec"]
        assert "tolerations" not in answer.json()["spec"]
