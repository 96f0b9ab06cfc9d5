"""What the kernel holds of ours, and the difference to a plan."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from proxy.kernel import (
    Difference,
    difference,
    parse_forwards,
    parse_neighbours,
    parse_routes,
    parse_vteps,
    steps,
)
from proxy.routes import VXLAN_ID, VXLAN_PORT, Forward, Neighbour, Plan, Route, Vtep

MAC = "02:00:00:00:00:01"


def vtep(mtu: int = 1450) -> Vtep:
    return Vtep(ip_address("172.31.0.1"), MAC, mtu, frozenset({ip_address("10.244.0.0")}))


def test_what_ip_prints_is_understood() -> None:
    assert parse_routes([
        {"dst": "10.244.1.0/24", "gateway": "172.31.0.2", "dev": "eth0"},
        {"dst": "10.244.2.0/24", "gateway": "10.244.2.0", "dev": "wherry-vxlan", "flags": ["onlink"]},
        {"dst": "default", "gateway": "172.31.0.254", "dev": "eth0"},
        {"dst": "10.9.0.0/24", "dev": "eth0"},
    ]) == {
        ip_network("10.244.1.0/24"): Route(ip_address("172.31.0.2")),
        ip_network("10.244.2.0/24"): Route(ip_address("10.244.2.0"), "wherry-vxlan"),
    }  # fmt: skip
    device = {
        "ifname": "wherry-vxlan", "flags": ["UP"], "mtu": 1450, "address": MAC,
        "linkinfo": {"info_data": {
            "id": VXLAN_ID, "port": VXLAN_PORT, "learning": False, "local": "172.31.0.1",
        }},
        "addr_info": [
            {"local": "10.244.0.0", "scope": "global"}, {"local": "fe80::1", "scope": "link"},
        ],
    }  # fmt: skip
    assert parse_vteps([device, {"ifname": "flannel.1"}]) == {"wherry-vxlan": vtep()}
    assert parse_vteps([{**device, "flags": []}])["wherry-vxlan"].mtu == 0, "made anew"
    assert parse_neighbours([
        {"dst": "10.244.2.0", "dev": "wherry-vxlan", "lladdr": MAC},
        {"dst": "10.244.2.9", "dev": "eth0", "lladdr": MAC},
        {"dst": "10.244.2.1", "dev": "wherry-vxlan"},
    ]) == {Neighbour("wherry-vxlan", ip_address("10.244.2.0"), MAC)}  # fmt: skip
    assert parse_forwards(
        [{"mac": MAC, "dst": "172.31.9.3"}, {"mac": MAC}], "wherry-vxlan"
    ) == {Forward("wherry-vxlan", MAC, ip_address("172.31.9.3"))}  # fmt: skip


def carried_out(present: Plan, change: Difference) -> Plan:
    """What a kernel holds after a difference was written, in its order."""
    routes, vteps = dict(present.routes), dict(present.vteps)
    neighbours, forwards = set(present.neighbours), set(present.forwards)
    for one in change.routes_gone:
        del routes[one]
    neighbours -= set(change.neighbours_gone)
    forwards -= set(change.forwards_gone)
    for name in change.vteps_gone:
        del vteps[name]
        routes = {one: route for one, route in routes.items() if route.device != name}
        neighbours = {one for one in neighbours if one.device != name}
        forwards = {one for one in forwards if one.device != name}
    for name, one in change.vteps:
        assert name not in vteps, "there is one of that name"
        vteps[name] = one
    for forward in change.forwards:
        assert forward.device in vteps
        assert not any(f[:2] == forward[:2] for f in forwards), "a MAC is at one place"
        forwards.add(forward)
    for neighbour in change.neighbours:
        assert neighbour.device in vteps
        neighbours = {n for n in neighbours if n[:2] != neighbour[:2]} | {neighbour}
    for target, route in change.routes:
        assert not route.device or route.device in vteps
        assert (target in routes) == (target in change.known), "add or replace"
        routes[target] = route
    return Plan(routes, vteps, frozenset(neighbours), frozenset(forwards))


DEVICES = st.sampled_from(["wherry-vxlan", "wherry-vxlan6"])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    vteps = draw(st.dictionaries(DEVICES, st.builds(vtep, st.sampled_from([1450, 8950]))))
    routes, neighbours, forwards = {}, set(), {}
    for number in draw(st.sets(st.integers(1, 6))):
        gateway = ip_address(f"10.244.{number}.0")
        device = draw(st.sampled_from(["", *vteps]))
        routes[ip_network(f"10.244.{number}.0/24")] = Route(gateway, device)
        if device:
            mac = f"02:00:00:00:00:{number:02x}"
            neighbours.add(Neighbour(device, gateway, mac))
            forwards[device, mac] = Forward(device, mac, ip_address(draw(st.sampled_from(["172.31.9.1", "172.31.9.2"]))))  # fmt: skip
    return Plan(routes, vteps, frozenset(neighbours), frozenset(forwards.values()))


@given(plans(), plans())
def test_a_difference_leads_from_any_plan_to_any_other(present: Plan, wanted: Plan) -> None:
    assert carried_out(present, difference(present, wanted)) == wanted
    assert steps(difference(wanted, wanted)) == []
