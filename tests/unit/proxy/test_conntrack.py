"""Which UDP flows are answered by somebody who should not."""

from __future__ import annotations

import pytest

from proxy.conntrack import stale_flows
from tests.unit.proxy.make import compiled, endpoint, endpoint_slice, service

A, B = "10.244.0.2", "10.244.0.3"
LISTING = """\
udp      17 28 src=10.244.0.9 dst=10.96.0.10 sport=4001 dport=53 src=10.244.0.2 dst=10.244.0.9 \
sport=8053 dport=4001 [ASSURED] mark=0 use=1
udp      17 9 src=10.244.0.9 dst=10.96.0.10 sport=4002 dport=53 [UNREPLIED] src=10.244.0.3 \
dst=10.244.0.9 sport=8053 dport=4002 mark=0 use=1
udp      17 9 src=192.0.2.1 dst=172.31.0.1 sport=4003 dport=30053 [UNREPLIED] src=172.31.0.1 \
dst=192.0.2.1 sport=30053 dport=4003 mark=0 use=1
udp      17 9 src=10.244.0.9 dst=8.8.8.8 sport=4004 dport=53 src=8.8.8.8 dst=172.31.0.1 sport=53 \
dport=4004 [ASSURED] mark=0 use=1
"""


def dns(*addresses: str, protocol: str = "UDP", node_port: int = 0):
    ports = [{"name": "dns", "port": 53, "protocol": protocol, "nodePort": node_port}]
    slices = [endpoint_slice(*(endpoint(address) for address in addresses),
                             ports=[{"name": "dns", "port": 53, "protocol": protocol}])]  # fmt: skip
    [one] = compiled([service(ports=ports, type="NodePort"), *slices]).values()
    return one.udp


def to(answers: str, address: str = "10.96.0.10", port: str = "53") -> tuple[str, ...]:
    return ("--orig-dst", address, "--dport", port, "--reply-src", answers)


@pytest.mark.parametrize(
    ("answering", "expected"),
    [
        (dns(A, B), []),
        (dns(A), [to(B)]),
        (dns("10.244.0.4"), [to(A), to(B)]),
        (dns(), [to(A), to(B)]),
        (dns(A, protocol="TCP"), []),
        # Nobody translated it: the Service came later.
        (dns(A, B, node_port=30053), [to("172.31.0.1", "172.31.0.1", "30053")]),
    ],
)
def test_stale_flows(answering, expected) -> None:
    assert stale_flows(LISTING, answering) == expected
