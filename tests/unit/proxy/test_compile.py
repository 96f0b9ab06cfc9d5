"""What becomes of packets, for the services people write."""

from __future__ import annotations

import pytest

from proxy.compile import compile_ruleset
from proxy.ruleset import Endpoint
from tests.unit.proxy.make import endpoint, endpoint_slice, service
from tests.unit.proxy.tracer import Fate, Machine
from wherry.api.discovery_v1 import EndpointSlice

NODE, POD, OTHER_POD, STRANGER = "172.31.0.1", "10.244.0.2", "10.244.1.3", "192.0.2.9"
HERE, THERE = Endpoint(POD, 8080), Endpoint(OTHER_POD, 8080)
SLICE = endpoint_slice(endpoint(POD, "n1"), endpoint(OTHER_POD, "n2"))
REJECTED, DROPPED = Fate("reject"), Fate("drop")


def machine(*objects, node: str = "n1") -> Machine:
    slices = [one for one in objects if isinstance(one, EndpointSlice)]
    services = [one for one in objects if not isinstance(one, EndpointSlice)]
    ruleset = compile_ruleset(services, slices, node, ["10.244.0.0/16"])
    return Machine(ruleset, frozenset({NODE, "127.0.0.1"}))


def dnat(*endpoints: Endpoint, masqueraded: bool = False) -> Fate:
    return Fate("dnat", frozenset(endpoints), masqueraded)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("10.244.3.3", dnat(HERE, THERE)),
        (POD, dnat(HERE, THERE, masqueraded=True)),  # it may meet itself
        (OTHER_POD, dnat(HERE, THERE)),  # that one's hairpin is its own node's business
        (NODE, dnat(HERE, THERE, masqueraded=True)),
    ],
)
def test_a_cluster_address(source: str, expected: Fate) -> None:
    assert machine(service(), SLICE).trace(source, "10.96.0.10", 80) == expected


def test_other_ports_and_protocols_of_a_cluster_address_are_refused() -> None:
    node = machine(service(), SLICE)
    assert node.trace(POD, "10.96.0.10", 81) == REJECTED
    assert node.trace(POD, "10.96.0.10", 80, "udp") == REJECTED


def test_what_is_no_service_passes() -> None:
    node = machine(service(), SLICE)
    assert node.trace(POD, STRANGER, 80) == Fate("pass", masqueraded=True)
    assert node.trace(POD, OTHER_POD, 80) == Fate("pass")
    assert node.trace(NODE, STRANGER, 80) == Fate("pass")


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([], REJECTED),
        ([endpoint_slice(endpoint(POD, ready=False))], REJECTED),
        ([endpoint_slice(endpoint(POD), of="other")], REJECTED),
        ([endpoint_slice(endpoint("fd00::1"), address_type="IPv6")], REJECTED),
        ([endpoint_slice(endpoint(POD), ports=[{"name": "admin", "port": 9}])], REJECTED),
        ([endpoint_slice(endpoint(POD), ports=[{"name": "http", "port": 9, "protocol": "UDP"}])], REJECTED),
        ([endpoint_slice(endpoint(POD, ready=False, serving=True, terminating=True))], dnat(HERE)),
        (
            [endpoint_slice(endpoint(POD, ready=False, serving=True, terminating=True), endpoint(OTHER_POD))],
            dnat(THERE),
        ),
        ([SLICE, SLICE], dnat(HERE, THERE)),
    ],
)  # fmt: skip
def test_which_endpoints_are_used(slices, expected: Fate) -> None:
    assert machine(service(), *slices).trace("10.244.3.3", "10.96.0.10", 80) == expected


@pytest.mark.parametrize(
    "unfiltered",
    [
        service(cluster_ip="None"),
        service(cluster_ip="", type="ExternalName"),
        service(labels={"service.kubernetes.io/service-proxy-name": "other"}),
    ],
    ids=["headless", "external-name", "another-proxy"],
)
def test_services_that_are_not_ours(unfiltered) -> None:
    node = machine(unfiltered, SLICE)
    assert not node.ruleset.chains
    assert not node.ruleset.cluster_ips


NODE_PORT = {"type": "NodePort", "ports": [{"name": "http", "port": 80, "nodePort": 30080}]}


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        (STRANGER, NODE, dnat(HERE, THERE, masqueraded=True)),
        (NODE, "127.0.0.1", dnat(HERE, THERE, masqueraded=True)),
        (POD, NODE, dnat(HERE, THERE, masqueraded=True)),
        (STRANGER, "192.0.2.77", Fate("pass")),
    ],
)
def test_node_ports(source: str, destination: str, expected: Fate) -> None:
    assert machine(service(**NODE_PORT), SLICE).trace(source, destination, 30080) == expected


def test_a_node_port_without_endpoints_is_refused() -> None:
    node = machine(service(**NODE_PORT))
    assert node.trace(STRANGER, NODE, 30080) == REJECTED
    assert node.trace(STRANGER, "192.0.2.77", 30080) == Fate("pass")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (STRANGER, dnat(HERE)),
        (OTHER_POD, dnat(HERE, THERE, masqueraded=True)),
        (NODE, dnat(HERE, THERE, masqueraded=True)),
    ],
)
def test_the_local_policy_keeps_the_clients_address(source: str, expected: Fate) -> None:
    local = service(externalTrafficPolicy="Local", **NODE_PORT)
    assert machine(local, SLICE).trace(source, NODE, 30080) == expected
    assert machine(local, SLICE, node="n3").trace(STRANGER, NODE, 30080) == DROPPED


def test_the_internal_local_policy() -> None:
    local = service(internalTrafficPolicy="Local")
    assert machine(local, SLICE).trace("10.244.3.3", "10.96.0.10", 80) == dnat(HERE)
    assert machine(local, SLICE, node="n3").trace(POD, "10.96.0.10", 80) == DROPPED


def test_external_and_load_balancer_addresses() -> None:
    exposed = service(
        type="LoadBalancer",
        externalIPs=["192.0.2.50", "fd00::5"],
        ingress=[{"ip": "192.0.2.51"}, {"hostname": "x"}, {"ip": "192.0.2.52", "ipMode": "Proxy"}],
    )
    node = machine(exposed, SLICE)
    for address in ("192.0.2.50", "192.0.2.51"):
        assert node.trace(STRANGER, address, 80) == dnat(HERE, THERE, masqueraded=True)
    assert node.trace(STRANGER, "192.0.2.52", 80) == Fate("pass")


def test_session_affinity() -> None:
    config = {"clientIP": {"timeoutSeconds": 60}}
    sticky = service(sessionAffinity="ClientIP", sessionAffinityConfig=config, **NODE_PORT)
    chains = machine(sticky, SLICE).ruleset.chains.values()
    assert {chain.affinity_seconds for chain in chains} == {60}
    assert len({chain.affinity_group for chain in chains}) == 1
    forgetful = service(sessionAffinity="ClientIP")
    assert [c.affinity_seconds for c in machine(forgetful, SLICE).ruleset.chains.values()] == [
        10800
    ]


def test_long_names_stay_apart() -> None:
    services = [service("x" * 120 + end, f"10.96.0.{n}") for n, end in enumerate("ab")]
    slices = [endpoint_slice(endpoint(POD), of=one.metadata.name) for one in services]
    chains = machine(*services, *slices).ruleset.chains
    assert len(chains) == 2
    assert all(len(name) <= 120 for name in chains)
