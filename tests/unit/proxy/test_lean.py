"""What is remembered of objects says the same as they did."""

from __future__ import annotations

from proxy.lean import lean
from tests.unit.proxy.make import compiled, endpoint, endpoint_slice, pod, service


def test_nothing_is_lost_and_equal_pieces_are_one() -> None:
    def made():
        return [
            service(ports=[{"name": "http", "port": 80}], externalIPs=["192.0.2.9"], ingress=[{"ip": "192.0.2.8"}]),
            endpoint_slice(endpoint("10.244.0.2"), endpoint("10.244.0.3", hints={"forZones": [{"name": "a"}]})),
            pod("a", "10.244.0.9", labels={"a": "b"}, ports=[("web", 80)]),
        ]  # fmt: skip

    small = [lean(one) for one in made()]
    assert small == made()
    assert compiled(small[:2]) == compiled(made()[:2])
    first, second = small[1].endpoints
    assert first.conditions is second.conditions
    assert first.conditions is not lean(endpoint_slice(endpoint("10.244.0.2", ready=False))).endpoints[0].conditions  # fmt: skip
