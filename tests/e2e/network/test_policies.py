"""NetworkPolicies on three machines: who may speak with whom, by IPv4 and IPv6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.network.net import PORT, SILENT, Net, built, http, server
from tests.e2e.support import Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
WEB = {"matchLabels": {"app": "web"}}


@pytest.fixture(scope="module")
def policed(site: Cluster) -> Iterator[Net]:
    yield from built(site, "policies")


@pytest.fixture
def net(policed: Net) -> Iterator[Net]:
    yield policed
    policed.kubectl("delete", "networkpolicies", "--all")
    for client in ("client-1", "client-3"):
        reaches(policed, client, "web-1")


def url(net: Net, pod: str, port: int = PORT) -> str:
    return http(net.addresses[pod], port)


def reaches(net: Net, client: str, pod: str, answer: str = "") -> None:
    """In both families; or what it gets instead."""
    for address in net.pod_ips[pod]:
        net.answers(client, http(address, PORT), answer or pod)


def policy(net: Net, name: str, **spec: Any) -> None:
    net.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
               "metadata": {"name": name}, "spec": {"podSelector": {}, **spec}})  # fmt: skip


def test_closed_pods_stay_ready_and_serve_whom_they_may(net: Net) -> None:
    addresses = net.service("web")
    policy(net, "deny", policyTypes=["Ingress"], podSelector=WEB)
    for client in ("client-1", "client-2", "client-3"):  # the same bridge, a route, VXLAN
        reaches(net, client, "web-1", SILENT)
    reaches(net, net.machines[0], "web-1")  # its own node: the probes' way
    reaches(net, "web-1", "web-1")  # itself
    reaches(net, "web-1", "client-2")  # egress is another matter
    policy(net, "from-some", podSelector=WEB,
           ingress=[{"from": [{"podSelector": {"matchLabels": {"n": "3"}}}], "ports": [{"port": "web"}]}])  # fmt: skip
    reaches(net, "client-3", "web-1")
    for address in addresses:
        net.answers("client-3", http(address), *net.webs)
    reaches(net, "client-1", "web-1", SILENT)
    net.kubectl("label", "pod", "client-1", "n=3", "--overwrite")  # who may is looked up by label
    reaches(net, "client-1", "web-1")
    net.kubectl("label", "pod", "client-1", "n=1", "--overwrite")
    net.answers("client-1", url(net, "web-1"), SILENT)
    pods = net.get("pods", "-l", "app=web")["items"]
    ready = [c["status"] for p in pods for c in p["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True"] * len(net.machines), "the kubelet's probes always pass"


def test_a_pod_is_isolated_from_its_first_instant(net: Net) -> None:
    """The first thing that its container does is to speak to somebody."""
    silent = {"speaks": "no"}
    policy(net, "silent", policyTypes=["Egress"], podSelector={"matchLabels": silent})
    net.kubectl("label", "pod", "client-1", "speaks=no")
    net.answers("client-1", url(net, "web-1"), SILENT)  # the policy is known
    net.kubectl("label", "pod", "client-1", "speaks-")
    tell = f"(wget -q -O- {url(net, 'web-1')} && echo HEARD) & sleep 0.5; echo TRIED; sleep 99"
    names = [f"talker-{n}" for n in (1, 2, 3)]
    for name in names:
        one = server(name, net.machines[0], {"app": "talker", **silent})
        [container] = one["spec"]["containers"]
        del container["readinessProbe"]
        container["command"] = ["sh", "-c", tell]
        net.apply(one)
    for name in names:
        said = wait(lambda n=name: net.kubectl("logs", n, check=False).split()[-1:] == ["TRIED"]
                    and net.kubectl("logs", n), f"{name} speaks")  # fmt: skip
        assert "HEARD" not in said
    net.kubectl("delete", "pods", *names, "--wait=false")


def test_namespaces_and_ranges_of_ports(net: Net) -> None:
    rule = {"from": [{"namespaceSelector": {"matchLabels": {"trust": net.namespace}},
                      "podSelector": {"matchLabels": {"app": "client"}}}],
            "ports": [{"port": 8000, "endPort": 8100}]}  # fmt: skip
    policy(net, "trusted", podSelector=WEB, ingress=[rule])
    net.answers("client-1", url(net, "web-1"), SILENT)
    net.cluster.kubectl("label", "namespace", net.namespace, f"trust={net.namespace}")
    reaches(net, "client-1", "web-1")
    net.answers("web-2", url(net, "web-1"), SILENT)
    narrow = {**rule, "ports": [{"port": 8081, "endPort": 8100}, {"protocol": "UDP"}]}
    policy(net, "trusted", podSelector=WEB, ingress=[narrow])
    reaches(net, "client-1", "web-1", SILENT)
    net.cluster.kubectl("label", "namespace", net.namespace, "trust-")


def test_egress_by_blocks_with_exceptions(net: Net) -> None:
    four, six = net.pod_ips["web-2"]
    blocks = [{"cidr": "10.244.0.0/16", "except": [f"{four}/32"]},
              {"cidr": "fd00::/8", "except": [f"{six}/128"]}]  # fmt: skip
    policy(net, "out", policyTypes=["Egress"], podSelector={"matchLabels": {"app": "client"}},
           egress=[{"to": [{"ipBlock": one} for one in blocks]}])  # fmt: skip
    reaches(net, "client-1", "web-2", SILENT)
    reaches(net, "client-1", "web-3")
    reaches(net, "web-1", "web-2")
    for number, answer in ((2, SILENT), (1, "nftables")):  # another node is a stranger
        net.answers("client-1", f"http://{net.node_ips(number)[0]}:10256/proxyMode", answer)


def test_strangers_by_their_address(net: Net) -> None:
    near, far = net.node_ips(1)[0], net.node_ips(2)[0]
    ports = [{"port": 80, "targetPort": PORT, "nodePort": 31380}]
    net.service("ported", type="NodePort", externalTrafficPolicy="Local", ports=ports)
    outside, there = net.machines[1], http(near, 31380)
    net.answers(outside, there, "web-1")
    for address, answer in (("203.0.113.1", SILENT), (far, "web-1")):
        block = {"ipBlock": {"cidr": f"{address}/32"}}
        policy(net, "by-address", podSelector=WEB, ingress=[{"from": [block]}])
        net.answers(outside, there, answer)
    wait(lambda: net.ask("client-1", url(net, "web-1")) == SILENT, "pods are no machines")
