"""A node's address, which may change while it runs."""

import asyncio

import pytest

from kubelet.node.address import LOOK_SECONDS, NodeAddress
from wherry.daemon.clock import FakeClock


def test_a_given_one_stays():
    address = NodeAddress("10.0.0.1", lambda: "10.0.0.2")
    assert (address.current, address.look()) == ("10.0.0.1", False)


def test_the_default_routes_is_followed_and_kept_while_there_is_none():
    found = ["10.0.0.1", "10.0.0.1", "", "10.0.0.2", ""]
    address = NodeAddress("", lambda: found.pop(0))
    seen = [(address.look(), address.current) for _ in range(4)]
    assert seen == [
        (False, "10.0.0.1"), (False, "10.0.0.1"), (True, "10.0.0.2"), (False, "10.0.0.2"),
    ]  # fmt: skip


async def test_changes_are_told():
    found, told, clock = ["10.0.0.1", "10.0.0.2"], asyncio.Queue(), FakeClock()
    address = NodeAddress("", lambda: found.pop(0))
    task = asyncio.create_task(address.run(clock, told.put_nowait))
    await asyncio.sleep(0)
    clock.advance(LOOK_SECONDS)
    assert await asyncio.wait_for(told.get(), 5) == "10.0.0.2"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_dual_stack_node_has_an_address_of_each_family() -> None:
    assert NodeAddress("fd31::1, 10.0.0.1").all == ("fd31::1", "10.0.0.1")
    assert NodeAddress("", lambda: "10.0.0.2").all == ("10.0.0.2",)
    for wrong in ("10.0.0.1,10.0.0.2", "10.0.0.1,fd31::1,fd31::2", "node1"):
        with pytest.raises(ValueError, match=r"."):
            NodeAddress(wrong)
