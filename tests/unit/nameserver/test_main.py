"""Flags of the cluster's DNS."""

from __future__ import annotations

import pytest

from nameserver.main import parse, reachable


def test_defaults() -> None:
    options = parse([])
    assert (options.cluster_domain, options.port) == ("cluster.local", 53)
    assert options.cluster_dns == []
    assert options.bind_address == ["0.0.0.0"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", True), ("fd00::1", True), ("0.0.0.0", False), ("127.0.0.1", False),
        ("::", False), ("", False), ("name", False),
    ],
)  # fmt: skip
def test_what_pods_can_reach(address: str, expected: bool) -> None:
    assert reachable(address) is expected
