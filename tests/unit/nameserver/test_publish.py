"""The Service and slice by which pods find the server."""

from __future__ import annotations

from nameserver.publish import Publication, slice_differs

WANTED = Publication("10.96.0.10", "172.31.0.1", 5353)


def test_clients_ask_at_53_whatever_our_port() -> None:
    spec = WANTED.service().spec
    assert spec.cluster_ip == "10.96.0.10"
    assert not spec.selector
    assert [(p.name, p.protocol, p.port, p.target_port) for p in spec.ports] == [
        ("dns", "UDP", 53, 5353),
        ("dns-tcp", "TCP", 53, 5353),
    ]


def test_the_slice_names_us() -> None:
    made = WANTED.slice()
    assert made.metadata.name == "kube-dns-172-31-0-1"
    assert made.metadata.labels["kubernetes.io/service-name"] == "kube-dns"
    assert made.endpoints[0].addresses == ["172.31.0.1"]
    assert not slice_differs(made, WANTED.slice())
    assert slice_differs(made, Publication("10.96.0.10", "172.31.0.1", 53).slice())
    assert slice_differs(made, Publication("10.96.0.10", "172.31.0.2", 5353).slice())
