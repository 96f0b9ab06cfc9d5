"""For whom each endpoint is meant."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller_manager.endpointslice import hints
from controller_manager.endpointslice.plan import Observed, plan_slices
from controller_manager.plan import Create, Emit
from tests.unit.controller_manager.endpointslice.test_plan import pod, service
from wherry.api.core_v1 import Node
from wherry.api.discovery_v1 import Endpoint, EndpointConditions


def endpoint(name: str, zone: str | None, *, ready: bool = True) -> Endpoint:
    return Endpoint(
        addresses=[name], conditions=EndpointConditions(ready=ready), zone=zone, node_name="n1"
    )


def meant(one: Endpoint) -> list[str]:
    return [hint.name for hint in one.hints.for_zones] if one.hints else []


def node(name: str, zone: str, cpu: str, *, ready: str = "True", **labels: str) -> Node:
    return Node.from_wire(
        {
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone, **labels}},
            "status": {
                "allocatable": {"cpu": cpu},
                "conditions": [{"type": "Ready", "status": ready}],
            },
        }
    )


@pytest.mark.parametrize(
    ("distribution", "zone", "ready", "expected"),
    [
        (None, "z1", True, None),
        ("PreferClose", "z1", True, (["z1"], [])),
        ("PreferSameZone", "z1", True, (["z1"], [])),
        ("PreferSameNode", "z1", True, (["z1"], ["n1"])),
        ("PreferSameNode", None, True, ([], ["n1"])),
        ("PreferSameZone", None, True, None),
        ("PreferSameNode", "z1", False, None),
        ("Elsewhere", "z1", True, None),
    ],
)
def test_traffic_distribution(distribution, zone, ready: bool, expected) -> None:
    found = hints.near(service(trafficDistribution=distribution), endpoint("a", zone, ready=ready))
    names = found.hints and (meant(found), [hint.name for hint in found.hints.for_nodes])
    assert names == expected


def test_shares_are_by_the_cpus_of_ready_nodes() -> None:
    control = {"node-role.kubernetes.io/control-plane": ""}
    nodes = [
        node("a", "z1", "3"), node("b", "z2", "1000m"), node("c", "z2", "9", ready="False"),
        node("d", "z3", "9", **control),
    ]  # fmt: skip
    assert hints.cpu_shares(nodes) == {"z1": 0.75, "z2": 0.25}
    assert hints.cpu_shares([*nodes, node("e", "", "1")]) == {}
    assert hints.cpu_shares([*nodes, node("e", "z1", "0")]) == {}
    assert hints.cpu_shares(nodes[:1]) == {}, "one zone has nothing to share"


@pytest.mark.parametrize(
    ("zones", "shares", "expected"),
    [
        (["z1", "z2"], {"z1": 0.5, "z2": 0.5}, {"z1": 1, "z2": 1}),
        (["z1"] * 4, {"z1": 0.5, "z2": 0.5}, {"z1": 2, "z2": 2}),
        (["z1"] * 3 + ["z2"], {"z1": 0.5, "z2": 0.5}, {"z1": 2, "z2": 2}),
        (["z1"] * 6 + ["z3"] * 6, {"z1": 0.5, "z2": 0.25, "z3": 0.25}, {"z1": 6, "z2": 3, "z3": 3}),
    ],
)
def test_endpoints_are_shared_out(zones, shares, expected) -> None:
    found, why_not = hints.shared_out([endpoint(str(n), z) for n, z in enumerate(zones)], shares)
    assert why_not == ""
    assert Counter(zone for one in found for zone in meant(one)) == expected


@pytest.mark.parametrize(
    ("zones", "shares", "reason"),
    [
        (["z1"], {"z1": 0.5, "z2": 0.5}, hints.TOO_FEW_ENDPOINTS),
        (["z1", "z2"], {}, hints.TOO_FEW_NODES),
        (["z1", "z2", None], {"z1": 0.5, "z2": 0.5}, hints.WOULD_OVERLOAD),
        (["z1", "z2", "z2", None], {"z1": 0.5, "z2": 0.5}, hints.NO_ZONE),
    ],
)
def test_when_there_are_no_hints(zones, shares, reason: str) -> None:
    endpoints = [endpoint(str(n), zone) for n, zone in enumerate(zones)]
    found, why_not = hints.shared_out(endpoints, shares)
    assert found == endpoints
    assert why_not.startswith(reason)


@example(zones=["z1"] * 4, cpus=[8, 1])  # the share of z2 is less than half an endpoint
@given(
    st.lists(st.sampled_from(["z1", "z2", "z3"]), min_size=1, max_size=40),
    st.lists(st.integers(1, 9), min_size=2, max_size=3),
)
def test_no_endpoint_is_asked_for_much_more_than_its_share(zones, cpus) -> None:
    shares = {f"z{n}": cpu / sum(cpus) for n, cpu in enumerate(cpus, 1)}
    present = [zone for zone in zones if zone in shares]
    found, why_not = hints.shared_out([endpoint(str(n), z) for n, z in enumerate(present)], shares)
    if why_not:
        return
    counted = Counter(zone for one in found for zone in meant(one))
    assert sum(counted.values()) == len(present)
    for zone, share in shares.items():
        load = share * len(present) / counted[zone]
        assert load <= 1 + hints.OVERLOAD_MAX + 1 / counted[zone], zone


def test_slices_carry_hints_and_people_are_told() -> None:
    mode = {"service.kubernetes.io/topology-mode": "Auto"}
    web = service()
    web = web.with_(metadata=web.metadata.with_(annotations=mode))
    pods = (pod(1), pod(2))
    for shares, expected, reason in (
        ({"z1": 0.5, "z2": 0.5}, {"z1": 1, "z2": 1}, "TopologyAwareHintsEnabled"),
        ({}, {}, "TopologyAwareHintsDisabled"),
    ):
        observed = Observed(web, pods, lambda _: "z1", (), cpu_shares=shares)
        actions = plan_slices(observed).actions
        [made] = [one.object for one in actions if isinstance(one, Create)]
        assert Counter(zone for one in made.endpoints for zone in meant(one)) == expected
        assert [one.reason for one in actions if isinstance(one, Emit)] == [reason]
        settled = Observed(web, pods, lambda _: "z1", (made,), cpu_shares=shares)
        assert plan_slices(settled).actions == (), "nothing to do the second time"
