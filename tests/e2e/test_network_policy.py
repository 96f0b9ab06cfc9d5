"""NetworkPolicies on two machines: who may speak with whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.net import PORT, SILENT, Net, built
from tests.e2e.support import Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
WEB = {"matchLabels": {"app": "web"}}


@pytest.fixture(scope="module")
def site(cluster: Cluster) -> Iterator[Net]:
    yield from built(cluster, "policies")


@pytest.fixture
def net(site: Net) -> Iterator[Net]:
    yield site
    site.kubectl("delete", "networkpolicies", "--all")
    for client in ("client-1", "client-2"):
        site.answers(client, url(site, "web-1"), "web-1")


def url(net: Net, pod: str, port: int = PORT) -> str:
    return f"http://{net.addresses[pod]}:{port}/"


def policy(net: Net, name: str, **spec: Any) -> None:
    net.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
               "metadata": {"name": name}, "spec": {"podSelector": {}, **spec}})  # fmt: skip


def test_closed_pods_stay_ready_and_serve_whom_they_may(net: Net) -> None:
    address = net.service("web")
    policy(net, "deny", policyTypes=["Ingress"], podSelector=WEB)
    for client in ("client-1", "client-2"):  # the same machine's bridge, and across
        net.answers(client, url(net, "web-1"), SILENT)
    net.answers(net.machines[0], url(net, "web-1"), "web-1")  # its own node: the probes' way
    net.answers("web-1", url(net, "web-1"), "web-1")  # itself
    net.answers("web-1", url(net, "client-2"), "client-2")  # egress is another matter
    policy(net, "from-one", podSelector=WEB,
           ingress=[{"from": [{"podSelector": {"matchLabels": {"n": "2"}}}], "ports": [{"port": "web"}]}])  # fmt: skip
    net.answers("client-2", url(net, "web-1"), "web-1")
    net.answers("client-2", f"http://{address}/", "web-1", "web-2")
    net.answers("client-1", url(net, "web-1"), SILENT)
    net.kubectl("label", "pod", "client-1", "n=2", "--overwrite")  # who may is looked up by label
    net.answers("client-1", url(net, "web-1"), "web-1")
    net.kubectl("label", "pod", "client-1", "n=1", "--overwrite")
    net.answers("client-1", url(net, "web-1"), SILENT)
    pods = net.get("pods", "-l", "app=web")["items"]
    ready = [c["status"] for p in pods for c in p["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True", "True"], "the kubelet's probes always pass"


def test_namespaces_and_ranges_of_ports(net: Net) -> None:
    rule = {"from": [{"namespaceSelector": {"matchLabels": {"trust": net.namespace}},
                      "podSelector": {"matchLabels": {"app": "client"}}}],
            "ports": [{"port": 8000, "endPort": 8100}]}  # fmt: skip
    policy(net, "trusted", podSelector=WEB, ingress=[rule])
    net.answers("client-1", url(net, "web-1"), SILENT)
    net.cluster.kubectl("label", "namespace", net.namespace, f"trust={net.namespace}")
    net.answers("client-1", url(net, "web-1"), "web-1")
    net.answers("web-2", url(net, "web-1"), SILENT)
    narrow = {**rule, "ports": [{"port": 8081, "endPort": 8100}, {"protocol": "UDP"}]}
    policy(net, "trusted", podSelector=WEB, ingress=[narrow])
    net.answers("client-1", url(net, "web-1"), SILENT)
    net.cluster.kubectl("label", "namespace", net.namespace, "trust-")


def test_egress_by_blocks_with_exceptions(net: Net) -> None:
    other = net.addresses["web-2"]
    block = {"cidr": "10.244.0.0/16", "except": [f"{other}/32"]}
    policy(net, "out", policyTypes=["Egress"], podSelector={"matchLabels": {"app": "client"}},
           egress=[{"to": [{"ipBlock": block}]}])  # fmt: skip
    net.answers("client-1", url(net, "web-2"), SILENT)
    net.answers("client-1", url(net, "web-1"), "web-1")
    net.answers("web-1", url(net, "web-2"), "web-2")
    node = net.cluster.lab.wires.address(net.machines[1])
    net.answers("client-1", f"http://{node}:10256/proxyMode", SILENT)  # another node is a stranger
    own = net.cluster.lab.wires.address(net.machines[0])
    net.answers("client-1", f"http://{own}:10256/proxyMode", "nftables")


def test_strangers_by_their_address(net: Net) -> None:
    near, far = (net.cluster.lab.wires.address(one) for one in net.machines)
    ports = [{"port": 80, "targetPort": PORT, "nodePort": 31380}]
    net.service("ported", type="NodePort", externalTrafficPolicy="Local", ports=ports)
    outside, there = net.machines[1], f"http://{near}:31380/"
    net.answers(outside, there, "web-1")
    for address, answer in (("203.0.113.1", SILENT), (far, "web-1")):
        block = {"ipBlock": {"cidr": f"{address}/32"}}
        policy(net, "by-address", podSelector=WEB, ingress=[{"from": [block]}])
        net.answers(outside, there, answer)
    wait(lambda: net.ask("client-1", url(net, "web-1")) == SILENT, "pods are no machines")
