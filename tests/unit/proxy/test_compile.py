"""What becomes of packets, for the services people write."""

from __future__ import annotations

import dataclasses

import pytest

from proxy.compile import NAME_MAX
from proxy.family import IP6
from proxy.ruleset import Part
from tests.unit.proxy.make import (
    HERE,
    NODE,
    PLACE,
    STRANGER,
    THERE,
    compiled,
    endpoint,
    endpoint_slice,
    parts,
    service,
    table,
)
from tests.unit.proxy.tracer import Fate, Packet, Table

SLICE = endpoint_slice(endpoint(HERE, "n1"), endpoint(THERE, "n2"))
REJECTED, DROPPED = frozenset({Fate("reject")}), frozenset({Fate("drop")})
ASKING = "10.244.0.9"  # a pod of this node that serves nothing


def machine(*objects, node: str = "n1", **place) -> Table:
    return table(parts(objects, dataclasses.replace(PLACE, node=node, **place)))


def trace(node: Table, source: str, destination: str, port: int, protocol: str = "tcp"):
    return node.fates(Packet(source, destination, port, protocol, local=source == NODE))


def to(*addresses: str, masqueraded: bool = False, port: int = 8080) -> frozenset[Fate]:
    return frozenset(Fate("pass", address, port, masqueraded) for address in addresses)


def passes(destination: str, port: int = 80) -> frozenset[Fate]:
    return frozenset({Fate("pass", destination, port)})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (ASKING, to(HERE, THERE)),
        (HERE, to(HERE, masqueraded=True) | to(THERE)),  # it may meet itself
        (THERE, to(HERE, THERE)),  # that one's hairpin is its own node's business
        (NODE, to(HERE, THERE, masqueraded=True)),
        (STRANGER, to(HERE, THERE, masqueraded=True)),
    ],
)
def test_a_cluster_address(source: str, expected) -> None:
    assert trace(machine(service(), SLICE), source, "10.96.0.10", 80) == expected


def test_all_clients_can_be_masqueraded() -> None:
    node = machine(service(), SLICE, masquerade_all=True)
    assert trace(node, ASKING, "10.96.0.10", 80) == to(HERE, THERE, masqueraded=True)


def test_other_ports_and_protocols_of_a_cluster_address_are_refused() -> None:
    node = machine(service(), SLICE)
    assert trace(node, HERE, "10.96.0.10", 81) == REJECTED
    assert trace(node, HERE, "10.96.0.10", 80, "udp") == REJECTED


def test_addresses_of_no_service_are_silent() -> None:
    node = table(
        {
            **parts([service(), SLICE]),
            "cidr": Part(elements={"service_ranges": {"10.96.0.0/16": ""}}),
        }
    )
    assert trace(node, HERE, "10.96.0.99", 80) == DROPPED
    assert trace(node, ASKING, "10.96.0.10", 80) == to(HERE, THERE)


def test_what_is_no_service_passes() -> None:
    node = machine(service(), SLICE)
    assert trace(node, HERE, STRANGER, 80) == passes(STRANGER)
    assert trace(node, HERE, THERE, 80) == passes(THERE)
    assert trace(node, NODE, STRANGER, 80) == passes(STRANGER)


LEAVING = {"ready": False, "serving": True, "terminating": True}


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([], REJECTED),
        ([endpoint_slice(endpoint(HERE, ready=False))], REJECTED),
        ([endpoint_slice(endpoint(HERE), of="other")], REJECTED),
        ([endpoint_slice(endpoint("fd00::1"), address_type="IPv6")], REJECTED),
        ([endpoint_slice(endpoint("example.com"), address_type="FQDN")], REJECTED),
        ([endpoint_slice(endpoint("nonsense"), endpoint(HERE))], to(HERE)),
        ([endpoint_slice({"addresses": [], "conditions": {}}, endpoint(HERE))], to(HERE)),
        ([endpoint_slice(endpoint(HERE), ports=[{"name": "http"}])], REJECTED),
        ([endpoint_slice(endpoint(HERE), ports=[{"name": "admin", "port": 9}])], REJECTED),
        ([endpoint_slice(endpoint(HERE), ports=[{"name": "http", "port": 9, "protocol": "UDP"}])], REJECTED),
        ([endpoint_slice(endpoint(HERE, **LEAVING))], to(HERE)),
        ([endpoint_slice(endpoint(HERE, **LEAVING), endpoint(THERE))], to(THERE)),
        ([SLICE, SLICE], to(HERE, THERE)),
    ],
)  # fmt: skip
def test_which_endpoints_are_used(slices, expected) -> None:
    assert trace(machine(service(), *slices), ASKING, "10.96.0.10", 80) == expected


ZONES = {zone: {"forZones": [{"name": zone}]} for zone in ("z1", "z2")}
NODES = {node: {"forNodes": [{"name": node}]} for node in ("n1", "n2")}


@pytest.mark.parametrize(
    ("hints", "place", "expected"),
    [
        ((ZONES["z1"], ZONES["z2"]), {}, to(HERE)),
        ((ZONES["z2"], ZONES["z1"]), {}, to(THERE)),
        ((ZONES["z2"], ZONES["z2"]), {}, to(HERE, THERE)),  # none for us: all
        ((ZONES["z1"], None), {}, to(HERE, THERE)),  # one without: all
        ((ZONES["z1"], ZONES["z2"]), {"zone": ""}, to(HERE, THERE)),
        ((NODES["n2"], NODES["n1"]), {}, to(THERE)),
        ((NODES["n2"], NODES["n2"]), {}, to(HERE, THERE)),
        (({**NODES["n2"], **ZONES["z1"]}, {**NODES["n2"], **ZONES["z2"]}), {}, to(HERE)),
    ],
)
def test_hints(hints, place, expected) -> None:
    pieces = [endpoint(a, n, h) for a, n, h in zip((HERE, THERE), ("n1", "n2"), hints, strict=True)]
    node = machine(service(), endpoint_slice(*pieces), **place)
    assert trace(node, ASKING, "10.96.0.10", 80) == expected


@pytest.mark.parametrize(
    "unfiltered",
    [
        service(cluster_ip="None"),
        service(cluster_ip="", type="ExternalName"),
        service(labels={"service.kubernetes.io/service-proxy-name": "other"}),
        service(labels={"service.kubernetes.io/headless": ""}),
    ],
    ids=["headless", "external-name", "another-proxy", "called-headless"],
)
def test_services_that_are_not_ours(unfiltered) -> None:
    [one] = compiled([unfiltered, SLICE]).values()
    assert one.part == Part()


NODE_PORT = {"type": "NodePort", "ports": [{"name": "http", "port": 80, "nodePort": 30080}]}


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        (STRANGER, NODE, to(HERE, THERE, masqueraded=True)),
        (NODE, "127.0.0.1", to(HERE, THERE, masqueraded=True)),
        (HERE, NODE, to(HERE, THERE, masqueraded=True)),
        (STRANGER, "192.0.2.77", passes("192.0.2.77", 30080)),
    ],
)
def test_node_ports(source: str, destination: str, expected) -> None:
    assert trace(machine(service(**NODE_PORT), SLICE), source, destination, 30080) == expected


def test_node_ports_on_some_addresses_only() -> None:
    held = parts([service(**NODE_PORT), SLICE])
    only = Part(elements={"node_port_addresses": {f"{NODE}/32": ""}})
    node = table({**held, "node": only}, (NODE, "192.0.2.77"))
    assert trace(node, STRANGER, NODE, 30080) == to(HERE, THERE, masqueraded=True)
    assert trace(node, STRANGER, "192.0.2.77", 30080) == passes("192.0.2.77", 30080)


def test_a_node_port_without_endpoints_is_refused() -> None:
    node = machine(service(**NODE_PORT))
    assert trace(node, STRANGER, NODE, 30080) == REJECTED
    assert trace(node, STRANGER, "192.0.2.77", 30080) == passes("192.0.2.77", 30080)


@pytest.mark.parametrize(
    ("source", "here", "elsewhere"),
    [
        (STRANGER, to(HERE), DROPPED),
        (ASKING, to(HERE, THERE), to(HERE, THERE)),  # a pod of this node
        (THERE, *(to(HERE, THERE, masqueraded=True),) * 2),  # its answers must come through us
        (NODE, *(to(HERE, THERE, masqueraded=True),) * 2),
    ],
)
def test_the_local_policy_keeps_the_clients_address(source: str, here, elsewhere) -> None:
    local = service(externalTrafficPolicy="Local", **NODE_PORT)
    assert trace(machine(local, SLICE), source, NODE, 30080) == here
    assert trace(machine(local, SLICE, node="n3"), source, NODE, 30080) == elsewhere
    assert trace(machine(local), source, NODE, 30080) == REJECTED


def test_the_internal_local_policy() -> None:
    local = service(internalTrafficPolicy="Local")
    assert trace(machine(local, SLICE), ASKING, "10.96.0.10", 80) == to(HERE)
    assert trace(machine(local, SLICE, node="n3"), ASKING, "10.96.0.10", 80) == DROPPED


BALANCED = {
    "type": "LoadBalancer",
    "externalIPs": ["192.0.2.50", "fd00::5"],
    "ingress": [{"ip": "192.0.2.51"}, {"hostname": "x"}, {"ip": "192.0.2.52", "ipMode": "Proxy"}],
}


def test_external_and_load_balancer_addresses() -> None:
    node = machine(service(**BALANCED), SLICE)
    for address in ("192.0.2.50", "192.0.2.51"):
        assert trace(node, STRANGER, address, 80) == to(HERE, THERE, masqueraded=True)
    assert trace(node, STRANGER, "192.0.2.52", 80) == passes("192.0.2.52")


def test_source_ranges_guard_the_load_balancers_addresses() -> None:
    guarded = service(
        loadBalancerSourceRanges=["172.31.0.0/24", " 198.51.100.0/24", "fd00::/64"], **BALANCED
    )
    node = machine(guarded, SLICE)
    open_to = to(HERE, THERE, masqueraded=True)
    assert trace(node, STRANGER, "192.0.2.51", 80) == DROPPED
    assert trace(node, "198.51.100.7", "192.0.2.51", 80) == open_to
    assert trace(node, STRANGER, "192.0.2.50", 80) == open_to
    assert trace(node, "192.0.2.51", "192.0.2.51", 80) == open_to  # the node, by that address
    elsewhere = machine(guarded, SLICE, addresses=("203.0.113.1",))
    assert trace(elsewhere, "192.0.2.51", "192.0.2.51", 80) == DROPPED


def test_session_affinity() -> None:
    config = {"clientIP": {"timeoutSeconds": 60}}
    sticky = service(sessionAffinity="ClientIP", sessionAffinityConfig=config, **NODE_PORT)
    [one] = compiled([sticky, SLICE]).values()
    assert len(one.part.sets) == 2, "node port and cluster address remember together"
    assert all("timeout 60s" in text for text in one.part.sets.values())
    node = machine(sticky, SLICE)
    assert trace(node, STRANGER, NODE, 30080) == to(HERE, THERE, masqueraded=True)
    [place] = [name for name in node.sets if name.startswith("clients-") and any(
        HERE in rule for rule in node.chains[name.replace("clients", "endpoint")])]  # fmt: skip
    node.sets[place][STRANGER] = ""
    assert trace(node, STRANGER, NODE, 30080) == to(HERE, masqueraded=True)
    assert trace(node, STRANGER, "10.96.0.10", 80) == to(HERE, masqueraded=True)
    [forgetful] = compiled([service(sessionAffinity="ClientIP"), SLICE]).values()
    assert all("timeout 10800s" in text for text in forgetful.part.sets.values())


def test_ipv6_is_the_same() -> None:
    both = service(cluster_ip="10.96.0.10", clusterIPs=["10.96.0.10", "fd01::10"], **NODE_PORT)
    six = endpoint_slice(endpoint("fd00::2"), endpoint("fd00:0::1:3", "n2"), address_type="IPv6")
    own = Part(elements={"pods": {"fd00::/48": ""}, "own_pods": {"fd00::/112": ""},
                         "node_port_addresses": {"::/0": ""}})  # fmt: skip
    node = table(parts([both, SLICE, six], family=IP6, node=own), ("fd02::1", "::1"), IP6)
    found = to("fd00::2", "fd00::1:3")
    assert node.fates(Packet("fd00::9", "fd01::10", 80)) == found
    hidden = to("fd00::2", "fd00::1:3", masqueraded=True)
    assert node.fates(Packet("fd09::9", "fd02::1", 30080)) == hidden
    assert node.fates(Packet("fd02::1", "::1", 30080, local=True)) == passes("::1", 30080)
    assert trace(machine(both, SLICE, six), ASKING, "10.96.0.10", 80) == to(HERE, THERE)


def test_sctp_is_said_as_well() -> None:
    ports = [{"name": "s", "port": 7, "protocol": "SCTP"}]
    node = machine(service(ports=ports), endpoint_slice(endpoint(HERE), ports=[{"name": "s", "port": 8, "protocol": "SCTP"}]))  # fmt: skip
    assert trace(node, ASKING, "10.96.0.10", 7, "sctp") == to(HERE, port=8)
    assert trace(node, ASKING, "10.96.0.10", 7) == REJECTED


def test_long_names_stay_apart() -> None:
    services = [service("x" * 120 + end, f"10.96.0.{n}") for n, end in enumerate("ab")]
    slices = [endpoint_slice(endpoint(HERE), of=one.metadata.name) for one in services]
    chains = [name for one in compiled([*services, *slices]).values() for name in one.part.chains]
    assert len({*chains}) == 2
    assert all(len(name) <= NAME_MAX for name in chains)
