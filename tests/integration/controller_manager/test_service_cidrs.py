"""Networks of Services: ready when they come, used, and gone when no address is left in them."""

from __future__ import annotations

import pytest

from tests.integration.controller_manager.conftest import until
from wherry.api.core_v1 import Service
from wherry.api.errors import ApiError
from wherry.api.networking_v1 import ServiceCIDR

NAME, FIRST = "more", "10.177.0.2"
PORTS = [{"port": 80}]


async def test_a_network_comes_and_goes(cluster):
    client = cluster.client
    with pytest.raises(ApiError, match="does not match the current range"):
        await cluster.make(Service, "early", spec={"ports": PORTS, "clusterIP": FIRST})
    await client.create(
        ServiceCIDR.from_wire({"metadata": {"name": NAME}, "spec": {"cidrs": ["10.177.0.0/24"]}})
    )

    async def ready():
        found = await client.get(ServiceCIDR, NAME)
        return found.metadata.finalizers and found.status.conditions

    (condition,) = await until(ready)
    assert (condition.type, condition.status) == ("Ready", "True")
    await cluster.make(Service, "s", spec={"ports": PORTS, "clusterIP": FIRST})
    await client.delete(ServiceCIDR, NAME)

    async def blocked():
        (found,) = (await client.get(ServiceCIDR, NAME)).status.conditions
        return found.status == "False" and found

    assert (await until(blocked)).reason == "Terminating"
    with pytest.raises(ApiError, match="does not match the current range"):
        await cluster.make(Service, "late", spec={"ports": PORTS, "clusterIP": "10.177.0.3"})
    await client.delete(Service, "s", cluster.namespace)

    async def gone():
        return NAME not in {one.metadata.name for one in (await client.list(ServiceCIDR)).items}

    await until(gone, 30)
