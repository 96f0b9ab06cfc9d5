"""Odd but lawful (or unlawful) requests, and what upstream makes of them."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
PORTS = [{"port": 80}]


class Place:
    """A namespace of one's own."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self.client = client
        self.path = f"/api/v1/namespaces/{name}"

    async def make(self, plural: str, name: str, **rest: Any) -> httpx.Response:
        body = {"metadata": {"name": name}, **rest}
        return await self.client.post(f"{self.path}/{plural}", json=body)

    async def patch(self, what: str, body: Any, headers: dict[str, str] = MERGE) -> httpx.Response:
        return await self.client.patch(f"{self.path}/{what}", json=body, headers=headers)


@pytest.fixture
async def place(shared_apiserver: Any) -> Any:
    async with shared_apiserver.client() as client:
        made = Place(client, f"odd-{uuid.uuid4().hex[:8]}")
        name = made.path.rpartition("/")[2]
        await client.post("/api/v1/namespaces", json={"metadata": {"name": name}})
        await made.make("serviceaccounts", "default")
        yield made


def causes(answer: httpx.Response) -> list[tuple[str, str]]:
    """Field and message of each."""
    assert answer.status_code == 422, answer.text
    return [(one["field"], one["message"]) for one in answer.json()["details"]["causes"]]


async def test_a_balancers_ports(place: Place) -> None:
    spec: dict[str, Any] = {"type": "LoadBalancer", "ports": PORTS}
    made = await place.make("services", "s", spec={**spec, "allocateLoadBalancerNodePorts": False})
    assert "nodePort" not in made.json()["spec"]["ports"][0]
    wished = {"spec": {"ports": [{"port": 80, "nodePort": 1}]}}
    assert causes(await place.patch("services/s", wished))[0][0] == "spec.ports[0].nodePort"
    changed = await place.patch("services/s", {"spec": {"allocateLoadBalancerNodePorts": True}})
    assert changed.json()["spec"]["ports"][0]["nodePort"] >= 30000
    local = await place.patch("services/s", {"spec": {"externalTrafficPolicy": "Local"}})
    port = local.json()["spec"]["healthCheckNodePort"]
    assert port >= 30000
    moved = await place.patch("services/s", {"spec": {"healthCheckNodePort": port - 1 or 1}})
    assert causes(moved) == [("spec.healthCheckNodePort", "Forbidden: field is immutable")]
    classed = await place.patch("services/s", {"spec": {"loadBalancerClass": "a.io/b"}})
    path, words = causes(classed)[0]
    assert (path, words) == (
        "spec.loadBalancerClass", 'Invalid value: "a.io/b": may not change once set',
    )  # fmt: skip
    spec |= {"externalTrafficPolicy": "Local", "healthCheckNodePort": port}
    taken = await place.make("services", "t", spec=spec)
    assert taken.status_code == 500
    assert f"requested HealthCheck NodePort {port}: provided port" in taken.json()["message"]


async def test_external_addresses_are_numbered(place: Place) -> None:
    spec = {"ports": PORTS, "externalIPs": ["198.51.100.1", "127.0.0.1"]}
    (cause,) = causes(await place.make("services", "s", spec=spec))
    assert cause[0] == "spec.externalIPs[1]"


async def test_what_a_node_has_is_counted_in_whole_pieces(place: Place) -> None:
    name = place.path.rpartition("/")[2]
    node = f"/api/v1/nodes/{name}"
    await place.client.post("/api/v1/nodes", json={"metadata": {"name": name}})
    capacity = {"status": {"capacity": {"example.com/gpu": "1.5", "cpu": "1.5"}}}
    answer = await place.client.patch(f"{node}/status", json=capacity, headers=MERGE)
    path, words = causes(answer)[0]
    assert path == "status.capacity[example.com/gpu]"
    assert words.endswith("must be an integer")


async def test_a_status_without_what_older_kubelets_do_not_know(place: Place) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await place.make("pods", "p", spec=spec)
    body = {"metadata": {"name": "p"}, "spec": spec, "status": {"phase": "Running"}}
    answer = await place.client.put(f"{place.path}/pods/p/status", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == {"phase": "Running", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "unexpected end of JSON input"),
        ("[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ("{x}", "invalid character 'x' looking for beginning of object key string"),
        ("{} 1", "invalid character '1' after top-level value"),
    ],
)
async def test_secrets_that_hold_json(place: Place, text: str, words: str) -> None:
    rest = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": text}}
    ((_, said),) = causes(await place.make("secrets", "s", **rest))
    assert said == f'Invalid value: "<secret contents redacted>": {words}'


@pytest.mark.parametrize(
    ("query", "words"),
    [("a in", "unable to parse requirement: found '' expected: '('")],
)
async def test_bad_selectors(place: Place, query: str, words: str) -> None:
    answer = await place.client.get(f"{place.path}/pods", params={"labelSelector": query})
    assert (answer.status_code, answer.json()["message"]) == (400, words)


async def test_a_json_patch_that_is_no_list(place: Place) -> None:
    await place.make("configmaps", "c")
    answer = await place.patch("configmaps/c", {"op": "x"}, JSON_PATCH)
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "error decoding patch: json: cannot unmarshal object into Go value of type []interface {}"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/apis/autoscaling/v1/horizontalpodautoscalers",
        "/apis/events.k8s.io/v1/events",
        "/api/v1/componentstatuses",
    ],
)
async def test_lists_of_what_is_not_stored_itself(place: Place, path: str) -> None:
    assert (await place.client.get(path)).status_code == 200


async def test_a_scale_is_a_table_too(place: Place) -> None:
    pod = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    await place.make("replicationcontrollers", "rc", spec={"template": pod, "replicas": 3})
    path = f"{place.path}/replicationcontrollers/rc/scale"
    accept = "application/json;as={};v=v1;g=meta.k8s.io"
    table = (await place.client.get(path, headers={"Accept": accept.format("Table")})).json()
    assert [one["name"] for one in table["columnDefinitions"]][:3] == [
        "Name",
        "Desired",
        "Available",
    ]
    assert table["rows"][0]["cells"][:3] == ["rc", 3, 0]
    headers = {"Accept": accept.format("PartialObjectMetadata")}
    assert (await place.client.get(path, headers=headers)).json()["metadata"]["name"] == "rc"
