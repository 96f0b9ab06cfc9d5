"""Which UDP flows a change makes stale."""

from __future__ import annotations

import pytest

from proxy.conntrack import stale_flows
from tests.unit.proxy.make import compiled, endpoint, endpoint_slice, service

A, B = "10.244.0.2", "10.244.0.3"


def dns(*addresses: str, protocol: str = "UDP", node_port: int = 0):
    ports = [{"name": "dns", "port": 53, "protocol": protocol, "nodePort": node_port}]
    slices = [endpoint_slice(*(endpoint(address) for address in addresses),
                             ports=[{"name": "dns", "port": 53, "protocol": protocol}])]  # fmt: skip
    [one] = compiled([service(ports=ports, type="NodePort"), *slices]).values()
    return one.udp


FRONTEND = ("--orig-dst", "10.96.0.10", "--dport", "53")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (dns(A, B), dns(A, B), []),
        (dns(A, B), dns(A), [(*FRONTEND, "--dst-nat", B)]),
        (dns(A), dns(B), [(*FRONTEND, "--dst-nat", A)]),
        (dns(A), dns(), [(*FRONTEND, "--dst-nat", A)]),
        (dns(), dns(A), [FRONTEND]),
        ({}, dns(A), [FRONTEND]),
        (dns(A), {}, [(*FRONTEND, "--dst-nat", A)]),
        (dns(A, protocol="TCP"), dns(protocol="TCP"), []),
        (
            dns(A, node_port=30053),
            dns(node_port=30053),
            [(*FRONTEND, "--dst-nat", A), ("--dport", "30053", "--dst-nat", A)],
        ),
    ],
)
def test_stale_flows(old, new, expected) -> None:
    assert sorted(stale_flows(old, new)) == sorted(expected)
