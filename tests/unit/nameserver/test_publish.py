"""The Service and slice by which pods find the server."""

from __future__ import annotations

from dataclasses import replace

from nameserver.publish import Publication, slice_differs

WANTED = Publication(("10.96.0.10",), ("172.31.0.1",), 5353)


def test_clients_ask_at_53_whatever_our_port() -> None:
    spec = WANTED.service().spec
    assert spec.cluster_ip == "10.96.0.10"
    assert not spec.selector
    assert [(p.name, p.protocol, p.port, p.target_port) for p in spec.ports] == [
        ("dns", "UDP", 53, 5353),
        ("dns-tcp", "TCP", 53, 5353),
    ]


def test_the_slice_names_us() -> None:
    (made,) = WANTED.slices()
    assert made.metadata.name == "kube-dns-172-31-0-1"
    assert made.metadata.labels["kubernetes.io/service-name"] == "kube-dns"
    assert made.endpoints[0].addresses == ["172.31.0.1"]
    assert not slice_differs(made, *WANTED.slices())
    assert slice_differs(made, *replace(WANTED, port=53).slices())
    assert slice_differs(made, *replace(WANTED, addresses=("172.31.0.2",)).slices())


def test_two_families_have_two_addresses_and_two_slices() -> None:
    both = Publication(("10.96.0.10", "fd00:96::a"), ("172.31.0.1", "fd31::1"), 53)
    spec = both.service().spec
    assert spec.cluster_ips == ["10.96.0.10", "fd00:96::a"]
    assert spec.ip_family_policy == "RequireDualStack"
    assert [one.address_type for one in both.slices()] == ["IPv4", "IPv6"]
    assert len({one.metadata.name for one in both.slices()}) == 2
