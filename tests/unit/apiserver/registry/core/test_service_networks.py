"""Which networks Service addresses come from."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from apiserver.registry.core.service_allocator import AddressRange, AllocationError
from apiserver.registry.core.service_networks import networks

V4 = AddressRange(ipaddress.ip_network("10.96.0.0/30"))  # .1 is the API's own, .2 is left
Tree = dict[str, Any]


def cidr(*texts: str, ready: str = "", going: bool = False) -> Tree:
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if going else {}
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    return {"metadata": metadata, "spec": {"cidrs": [*texts]}, "status": {"conditions": conditions}}


def free(*cidrs: Tree, taken: tuple[str, ...] = ()) -> list[str]:
    """All addresses that can be had, in the order of their networks."""
    found, held = networks(V4, cidrs), {*taken}
    given: list[str] = []
    while True:
        try:
            given.append(found.allocate({*held, *given}))
        except AllocationError:
            return given


def test_the_flag_holds_until_there_are_objects() -> None:
    assert free() == ["10.96.0.2"]
    assert free(cidr("10.97.0.0/30")) in (["10.97.0.1", "10.97.0.2"], ["10.97.0.2", "10.97.0.1"])


@pytest.mark.parametrize(
    ("second", "usable"),
    [
        pytest.param(cidr("10.97.0.0/30"), True, id="nobody says"),
        pytest.param(cidr("10.97.0.0/30", ready="True"), True, id="ready"),
        pytest.param(cidr("10.97.0.0/30", ready="False"), False, id="not ready"),
        pytest.param(cidr("10.97.0.0/30", ready="True", going=True), False, id="going"),
        pytest.param(cidr("fd00::/120"), False, id="another family"),
    ],
)
def test_what_is_usable(second: Tree, usable: bool) -> None:
    assert free(cidr("10.96.0.0/30"), second)[0] == "10.96.0.2"
    assert ("10.97.0.1" in free(cidr("10.96.0.0/30"), second)) is usable


def test_a_wish_is_for_any_of_them() -> None:
    found = networks(V4, [cidr("10.96.0.0/30"), cidr("10.97.0.0/24")])
    found.claim("10.97.0.9", set())
    with pytest.raises(AllocationError, match="already allocated"):
        found.claim("10.97.0.9", {"10.97.0.9"})
    for outside in ("10.98.0.1", "10.97.0.0", "10.97.0.255", "fd00::1"):
        with pytest.raises(AllocationError, match="does not match the current range"):
            found.claim(outside, set())
