"""Interfaces as `ip` prints them, and the MTU that pods get."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from wherry.daemon.links import (
    Link,
    LinksError,
    addresses_of,
    contains,
    overlap,
    overlapping,
    parse_links,
    pod_mtu,
)

PRINTED = b"""[
{"ifname":"lo","flags":["LOOPBACK","UP"],"mtu":65536,
 "addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},
{"ifname":"eth0","flags":["UP","LOWER_UP"],"mtu":9000,"addr_info":[
 {"family":"inet","local":"172.31.0.1","prefixlen":24},
 {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]},
{},
{"ifname":"tun0","flags":["POINTOPOINT"],"mtu":1400,
 "addr_info":[{"local":"10.8.0.1","address":"10.8.0.2","prefixlen":32}]}]"""
V4, V6 = ip_address("172.31.0.1"), ip_address("fd31::1")


def test_interfaces_are_read() -> None:
    lo, eth0, tun0 = parse_links(PRINTED)
    assert (lo.name, eth0.mtu, eth0.is_up, tun0.is_up) == ("lo", 9000, True, False)
    assert eth0.addresses[0] == ip_interface("172.31.0.1/24")
    assert parse_links(b"") == ()
    for wrong in (b'Option "-j" is unknown', b'[{"ifname":"x"}]'):
        with pytest.raises(LinksError):
            parse_links(wrong)


@pytest.mark.parametrize(
    ("mode", "addresses", "mtu"),
    [
        ("auto", [V4], 8950),
        ("auto", [V6, V4], 8950),  # VXLAN goes by IPv4 where both are
        ("vxlan", [V6], 1430),  # on no interface: Ethernet's usual MTU
        ("direct", [V4], 9000),
        ("none", [V4], 9000),
        ("auto", [], 1500),
    ],
)
def test_pods_leave_room_for_what_is_put_around_their_packets(
    mode: Any, addresses: list[Any], mtu: int
) -> None:
    assert pod_mtu(mode, parse_links(PRINTED), addresses) == mtu


def test_overlaps() -> None:
    links = (*parse_links(PRINTED), Link("wherry0", 1450, True, (ip_interface("10.244.0.1/24"),)))
    found = overlapping(ip_network("172.16.0.0/12"), links)
    assert found is not None
    assert (found[0].name, str(found[1])) == ("eth0", "172.31.0.0/24")
    for apart in ("10.244.0.0/16", "127.0.0.0/8", "fe80::/10", "10.8.0.0/24"):
        assert overlapping(ip_network(apart), links) is None
    small, large = ip_network("10.0.1.0/24"), ip_network("10.0.0.0/16")
    assert overlap(small, large)
    assert overlap(large, small)
    assert contains(large, small)
    assert not contains(small, large)
    assert not overlap(ip_network("::/0"), small)
    assert addresses_of(["10.0.0.1", "x", "fd00::1"]) == (ip_address("10.0.0.1"), ip_address("fd00::1"))  # fmt: skip
