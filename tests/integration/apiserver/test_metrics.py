"""/metrics: that what is counted is what happened."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

SERVICES = "/api/v1/namespaces/default/services"
Samples = dict[tuple[Any, ...], float]


async def samples(client: httpx.AsyncClient) -> Samples:
    """By name and sorted labels."""
    text = (await client.get("/metrics")).text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    body = {"ports": [{"port": 80}], "type": "NodePort", **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


async def test_allocators(apiserver: Any) -> None:
    cidr = ("cidr", "10.96.0.0/16")
    ips, ports = "kube_apiserver_clusterip_allocator", "kube_apiserver_nodeport_allocator"
    async with apiserver.client() as client:
        await client.post(SERVICES, json=service("a"))
        await client.post(SERVICES, json=service("b", clusterIP="10.96.7.7"))
        refused = await client.post(SERVICES, json=service("c", clusterIP="10.96.7.7"))
        assert refused.status_code == 422
        found = await samples(client)
        assert found[f"{ips}_allocated_ips", cidr] == 3  # and the API's own
        assert found[f"{ips}_available_ips", cidr] == 65534 - 3
        assert found[f"{ips}_allocation_total", cidr, ("scope", "dynamic")] == 1
        assert found[f"{ips}_allocation_errors_total", cidr, ("scope", "static")] == 1
        assert found[f"{ports}_allocated_ports",] == 2
        assert found[f"{ports}_available_ports",] == 2768 - 2
        await client.delete(f"{SERVICES}/a")
        found = await samples(client)
        assert found[f"{ips}_allocated_ips", cidr] == 2
        assert found[f"{ports}_allocated_ports",] == 1


async def test_admission_bodies_and_deprecated_kinds(apiserver: Any) -> None:
    steps = "apiserver_admission_step_admission_duration_seconds_count"
    plugins = "apiserver_admission_controller_admission_duration_seconds_count"
    secrets = "/api/v1/namespaces/default/secrets"
    async with apiserver.client() as client:
        for number in range(40):
            body = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": f"s{number}"}}
            assert (await client.post(secrets, json=body)).status_code == 201
        await client.post("/api/v1/namespaces/nowhere/secrets", json=body)
        await client.get("/api/v1/endpoints")
        found = await samples(client)
    create = ("operation", "CREATE")
    assert found[steps, create, ("rejected", "false"), ("type", "admit")] >= 40
    assert found[steps, create, ("rejected", "true"), ("type", "admit")] >= 1
    at = (("name", "NamespaceLifecycle"), create, ("rejected", "false"), ("type", "admit"))
    assert found[(plugins, *at)] >= 32
    size = "apiserver_request_body_size_bytes_count"
    assert found[size, ("group", ""), ("resource", "secrets"), ("verb", "create")] == 41
    asked = {
        dict(labels)["resource"]
        for name, *labels in found
        if name == "apiserver_requested_deprecated_apis"
    }
    assert asked == {"endpoints"}


async def test_failed_handshakes(apiserver: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", apiserver.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await reader.read()
    writer.close()
    async with apiserver.client() as client:
        found = await samples(client)
    assert found["apiserver_tls_handshake_errors_total",] == 1


async def test_what_watchers_were_told(apiserver: Any) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    async with apiserver.client() as client:
        body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}}
        since = (await client.post(path, json=body)).json()["metadata"]["resourceVersion"]
        query = {"watch": "1", "timeoutSeconds": "2", "resourceVersion": since}
        watching = [asyncio.create_task(client.get(path, params=query)) for _ in range(2)]
        at = (("group", ""), ("resource", "configmaps"), ("version", "v1"))
        while (await samples(client))["apiserver_registered_watchers",] < 2:
            await asyncio.sleep(0.02)
        await client.post(path, json={**body, "metadata": {"name": "b"}, "data": {"k": "x" * 3000}})
        answers = await asyncio.gather(*watching)
        found = await samples(client)
    sizes = "apiserver_watch_events_sizes"
    assert found[(f"{sizes}_count", *at)] == 2
    assert found[(f"{sizes}_sum", *at)] == sum(len(answer.content) for answer in answers)
    assert found[(f"{sizes}_bucket", at[0], ("le", "2048.0"), *at[1:])] == 0
    assert found[(f"{sizes}_bucket", at[0], ("le", "4096.0"), *at[1:])] == 2
