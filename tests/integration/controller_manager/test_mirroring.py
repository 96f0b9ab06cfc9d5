"""Endpoints written by hand become EndpointSlices, on the real API server."""

from __future__ import annotations

from tests.integration.controller_manager.conftest import until
from wherry.api.core_v1 import Endpoints, Service
from wherry.api.discovery_v1 import EndpointSlice


async def test_mirrored_changed_and_gone(cluster):
    await cluster.make(Service, "db", spec={"ports": [{"name": "sql", "port": 5432}]})
    subset = {"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "sql", "port": 5432}]}
    await cluster.make(Endpoints, "db", subsets=[subset])

    async def addresses(*wanted):
        slices = await cluster.list(EndpointSlice)
        return [e.addresses[0] for s in slices for e in s.endpoints] == list(wanted)

    await until(lambda: addresses("192.0.2.1"))
    patch = {"subsets": [{**subset, "addresses": [{"ip": "192.0.2.7"}]}]}
    await cluster.client.patch(Endpoints, "db", cluster.namespace, patch)
    await until(lambda: addresses("192.0.2.7"))
    await cluster.client.delete(Endpoints, "db", cluster.namespace)

    async def none():
        return not await cluster.list(EndpointSlice)

    await until(none)


async def test_the_api_servers_own_service_is_not_mirrored(cluster):
    slices = (await cluster.client.list(EndpointSlice, "default")).items
    names = [
        s.metadata.name
        for s in slices
        if s.metadata.labels.get("kubernetes.io/service-name") == "kubernetes"
    ]
    assert names in ([], ["kubernetes"])
