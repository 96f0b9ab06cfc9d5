"""What a node's pod ranges become on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_interface

from kubelet.network.podrange import PodRange, conflict
from wherry.daemon.links import Link

LINKS = (
    Link("eth0", 1500, True, (ip_interface("10.244.7.9/22"), ip_interface("fd31::1/64"))),
    Link("wherry0", 1450, True, (ip_interface("10.244.9.1/24"),)),
)


def test_a_range_over_the_machines_network_is_refused_with_the_cause() -> None:
    assert conflict(["10.244.6.0/24"], LINKS) == (
        "pod range 10.244.6.0/24 overlaps 10.244.4.0/22, which this machine is on (eth0):"
        " choose another --cluster-cidr"
    )
    assert conflict(["10.244.9.0/24", "fd10::/64"], LINKS) == "", "our own bridge is no conflict"
    assert conflict(["10.244.9.0/24", "fd31::/56"], LINKS).startswith(
        "pod range fd31::/56 overlaps"
    )
    assert conflict(["10.244.9.1/24"], ()).startswith("spec.podCIDRs: ")


async def test_ranges_are_told_as_they_become_known() -> None:
    told: asyncio.Queue[tuple[tuple[str, ...], int, str]] = asyncio.Queue()

    def tell(cidrs: Sequence[str], mtu: int, trouble: str) -> None:
        told.put_nowait((tuple(cidrs), mtu, trouble))

    made = PodRange("auto", lambda: ("203.0.113.9",), tell)  # on no interface here
    running = asyncio.create_task(made.run())
    try:
        made.set(["198.51.100.0/25"])
        async with asyncio.timeout(60):
            assert await told.get() == (("198.51.100.0/25",), 1450, "")
            made.set([])
            made.set(["198.51.100.128/25", "2001:db8::/64"])
            assert (await told.get())[0] == ("198.51.100.128/25", "2001:db8::/64")
        assert told.empty()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
