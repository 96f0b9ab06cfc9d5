"""Services on three machines: every way to reach a pod, and every way not to, by IPv4 and IPv6."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from deploy.faults import HUB
from tests.e2e.network.net import PORT, REFUSED, SILENT, Net, built, events, http, ruleset, server
from tests.e2e.support import Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
WEBS = ("web-1", "web-2", "web-3")
ZONE = "topology.kubernetes.io/zone"


@pytest.fixture(scope="module")
def net(site: Cluster) -> Iterator[Net]:
    yield from built(site, "services")


def test_a_cluster_address_answers_everywhere(net: Net) -> None:
    four, six = net.service("web")
    for address in (four, six):
        for client in ("client-1", "client-3", "web-2", net.machines[1], net.machines[2]):
            net.answers(client, http(address), *WEBS)  # pods, an endpoint itself, nodes
        assert net.ask("client-1", http(address, 81)) == REFUSED
    for number, machine in enumerate(net.machines, 1):
        mode = f"http://{net.node_ips(number)[0]}:10256/proxyMode"
        assert net.ask(machine, mode) == "nftables"
    [only] = net.service("six", ipFamilyPolicy="SingleStack", ipFamilies=["IPv6"])
    net.answers("client-2", http(only), *WEBS)


def test_a_pod_reaches_itself_by_its_service(net: Net) -> None:
    for address in net.service("self", selector={"app": "web", "n": "1"}):
        net.answers("web-1", http(address), "web-1")
        net.answers("client-3", http(address), "web-1")


def test_endpoints_come_and_go(net: Net) -> None:
    four, six = net.service("changing", selector={"app": "web", "n": "1"})
    net.answers("client-1", http(four), "web-1")
    net.change("changing", selector={"n": None})
    net.answers("client-1", http(four), *WEBS)
    net.kubectl("exec", "web-1", "--", "rm", "/w/ready")
    net.answers("client-1", http(four), "web-2", "web-3")
    net.answers("client-3", http(six), "web-2", "web-3")
    net.kubectl("exec", "web-1", "--", "touch", "/w/ready")
    net.answers("client-1", http(four), *WEBS)
    net.change("changing", selector={"app": "nobody"})
    for address in (four, six):
        net.answers("client-1", http(address), REFUSED)


def test_a_client_keeps_its_endpoint_for_a_while(net: Net) -> None:
    config = {"clientIP": {"timeoutSeconds": 3}}
    addresses = net.service("sticky", sessionAffinity="ClientIP", sessionAffinityConfig=config)
    for address in addresses:
        wait(lambda a=address: net.ask("client-2", http(a)) in WEBS, "an answer")
        first = net.ask("client-2", http(address))
        assert net.asks("client-2", http(address), 12) == {first}

    def elsewhere() -> bool:
        wait(lambda: not _remembered(net), "clients are forgotten")
        return net.ask("client-2", http(addresses[0])) != first

    first = net.ask("client-2", http(addresses[0]))
    wait(elsewhere, "another endpoint")


def _remembered(net: Net) -> bool:
    """Whether node2 still knows where a client of an IPv4 Service was sent."""
    _, _, sets = ruleset(net.cluster, net.machines[1]).partition("set clients-")
    return "expires" in sets


def test_node_ports_and_the_local_policy(net: Net) -> None:
    ports = [{"port": 80, "targetPort": PORT, "nodePort": 31280}]
    net.service("ported", type="NodePort", ports=ports)
    for address in (*net.node_ips(1), *net.node_ips(3)):
        net.answers(net.machines[1], http(address, 31280), *WEBS)  # a node
        net.answers("client-2", http(address, 31280), *WEBS)
    net.answers("", http(net.node_ips(1)[0], 31280), *WEBS)  # from outside
    net.answers(net.machines[0], http("127.0.0.1", 31280), *WEBS)
    local = [{"port": 80, "targetPort": PORT, "nodePort": 31281}]
    net.service("local", type="LoadBalancer", ports=local, externalTrafficPolicy="Local",
                healthCheckNodePort=31282, selector={"n": "1", "app": "web"})  # fmt: skip
    for family in (0, 1):
        nodes = [net.node_ips(number)[family] for number in (1, 2, 3)]
        if family == 0:  # this host has no way to the machines by IPv6 but on their first network
            net.answers("", http(nodes[2], 31281), SILENT)
        net.answers("", http(nodes[0], 31281), "web-1")
        net.answers("", http(nodes[1], 31281), SILENT)
        net.answers("client-2", http(nodes[1], 31281), "web-1")  # inside the cluster it is served
        health = [json.loads(net.ask("", http(node, 31282))) for node in nodes[:2]]
        assert health[0] == {"service": {"namespace": net.namespace, "name": "local"},
                             "localEndpoints": 1, "serviceProxyHealthy": True}  # fmt: skip
        assert health[1]["localEndpoints"] == 0


def test_load_balancers_and_external_addresses(net: Net) -> None:
    net.service("balanced", type="LoadBalancer", externalIPs=["198.51.100.10", "2001:db8::10"],
                loadBalancerSourceRanges=["203.0.113.0/24", "2001:db8:1::/48"])  # fmt: skip
    behind = {"ip": "198.51.100.13", "ipMode": "Proxy"}  # whose traffic is to go to it
    ingress = [{"ip": "198.51.100.11"}, {"ip": "2001:db8::11", "ipMode": "VIP"}, behind]
    status = json.dumps({"status": {"loadBalancer": {"ingress": ingress}}})
    net.kubectl(
        "patch", "service", "balanced", "--subresource=status", "--type=merge", "-p", status
    )
    for address in ("198.51.100.10", "2001:db8::10"):
        net.answers("client-1", http(address), *WEBS)
    balancers = ("198.51.100.11", "2001:db8::11")
    for address in balancers:  # from outside their ranges
        net.answers("client-3", http(address), SILENT)
    net.change("balanced", loadBalancerSourceRanges=["10.244.0.0/16", "fd00::/8"])
    for address in balancers:
        net.answers("client-3", http(address), *WEBS)
    assert behind["ip"] not in ruleset(net.cluster, net.machines[0])


def test_traffic_stays_near(net: Net) -> None:
    same = net.service("same", trafficDistribution="PreferSameNode")
    inner = net.service("inner", internalTrafficPolicy="Local", selector={"n": "1", "app": "web"})
    for near, within in zip(same, inner, strict=True):
        for n in (1, 2, 3):
            net.answers(f"client-{n}", http(near), f"web-{n}")
        net.answers("client-1", http(within), "web-1")
        net.answers("client-2", http(within), SILENT)
    net.kubectl("exec", "web-1", "--", "rm", "/w/ready")
    net.answers("client-1", http(same[0]), "web-2", "web-3")  # rather far than not at all
    net.kubectl("exec", "web-1", "--", "touch", "/w/ready")
    net.answers("client-1", http(same[0]), "web-1")


def test_traffic_stays_in_its_zone(net: Net) -> None:
    zones = dict(zip(net.machines, ("east", "east", "west"), strict=True))
    for machine, zone in zones.items():
        net.kubectl("label", "node", machine, f"{ZONE}={zone}", "--overwrite")
    try:
        for word in ("PreferSameZone", "PreferClose"):  # two names of one thing
            for address in net.service(word.lower(), trafficDistribution=word):
                net.answers("client-1", http(address), "web-1", "web-2")
                net.answers("client-3", http(address), "web-3")
    finally:
        net.kubectl("label", "nodes", "--all", f"{ZONE}-")
    net.answers("client-3", http(address), *WEBS)


def test_the_last_one_serves_while_it_ends(net: Net) -> None:
    net.apply(server("last-1", net.machines[0], {"app": "last"}, grace=30))
    net.kubectl("wait", "--for=condition=Ready", "pod/last-1", "--timeout=60s")
    addresses = net.service("last", selector={"app": "last"})
    for address in addresses:
        net.answers("client-2", http(address), "last-1")
    net.kubectl("delete", "pod", "last-1", "--wait=false")
    wait(lambda: _conditions(net, "last") == {(False, True, True)}, "a terminating endpoint")
    for address in addresses:
        net.answers("client-2", http(address), "last-1")
    net.kubectl("delete", "pod", "last-1", "--grace-period=0", "--force", "--wait=false")
    for address in addresses:
        net.answers("client-2", http(address), REFUSED)


def _conditions(net: Net, service: str) -> set[tuple[bool, bool, bool]]:
    slices = net.get("endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
    found = [one["conditions"] for piece in slices for one in piece.get("endpoints") or []]
    return {(one["ready"], one["serving"], one["terminating"]) for one in found}


def test_udp_clients_do_not_hang_on_a_vanished_endpoint(net: Net) -> None:
    servers = [net.udp(name, name) for name in WEBS]
    port = {"name": "dns", "port": 53, "targetPort": 9053, "nodePort": 31253}
    ports = [{**port, "protocol": "UDP"}, {**port, "name": "web", "targetPort": PORT}]
    addresses = net.service("datagrams", type="NodePort", ports=ports)  # one port, two protocols
    clients = [net.datagrams("client-1", one, 53) for one in addresses]
    clients += [net.datagrams("client-3", one, 31253) for one in net.node_ips(2)]
    try:
        for client in clients:
            first = wait(lambda c=client: (word := c.ask()) in WEBS and word, "an answer by UDP")
            assert {client.ask() for _ in range(5)} == {first}, "one flow, one endpoint"
        net.change("datagrams", selector={"app": "web", "n": "2"})
        for client in clients:
            wait(lambda c=client: c.ask() == "web-2", "the same socket reaches who is left")
        net.change("datagrams", selector={"app": "nobody"})
        for client in clients:
            wait(lambda c=client: c.ask() == REFUSED, "it is told that nobody is there")
        net.change("datagrams", selector={"app": "web", "n": "3"})
        for client in clients:
            wait(lambda c=client: c.ask() == "web-3", "and finds who comes")
        net.answers("client-3", http(net.node_ips(1)[0], 31253), "web-3")
    finally:
        for one in (*servers, *(client.process for client in clients)):
            one.kill()
            one.communicate()


def service_map(net: Net, machine: str) -> set[str]:
    return {*net.cluster.on(machine, "nft", "list", "map", "ip", "wherry", "services").split()}


def test_what_needs_no_rules_gets_none(net: Net) -> None:
    net.service("bare", clusterIP="None")
    net.service("elsewhere", type="ExternalName", externalName="example.com", selector=None,
                ports=[], ipFamilyPolicy=None)  # fmt: skip
    net.apply({"apiVersion": "v1", "kind": "Service",
               "metadata": {"name": "foreign", "labels": {"service.kubernetes.io/service-proxy-name": "x"}},
               "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": PORT}]}})  # fmt: skip
    address, _ = net.service("seen")
    net.answers("client-1", http(address), *WEBS)
    names = " ".join(service_map(net, net.machines[0]))
    assert f"{net.namespace}/seen/" in names
    for name in ("bare", "elsewhere", "foreign"):
        assert f"{net.namespace}/{name}/" not in names
    # Of one kind today, of the other tomorrow.
    net.change("seen", type="ExternalName", externalName="example.com", clusterIP=None, clusterIPs=None,
               ports=None, selector=None, ipFamilies=None, ipFamilyPolicy=None, internalTrafficPolicy=None)  # fmt: skip
    wait(
        lambda: f"{net.namespace}/seen/" not in " ".join(service_map(net, net.machines[2])), "none"
    )


def test_bad_input_is_named_and_disturbs_nobody(net: Net) -> None:
    taken = net.service("first", externalIPs=["198.51.100.20"])
    net.answers("client-1", http("198.51.100.20"), *WEBS)
    net.service("second", externalIPs=["198.51.100.20"], selector={"app": "nobody"})
    net.service("selfless", selector=None)
    piece = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "FQDN",
        "metadata": {"name": "odd", "labels": {"kubernetes.io/service-name": "selfless"}},
        "endpoints": [{"addresses": ["example.com"]}], "ports": [{"port": 80}],
    }  # fmt: skip
    mine = {**piece, "addressType": "IPv4", "metadata": {**piece["metadata"], "name": "even"},
            "endpoints": [{"addresses": [net.addresses["web-2"]]}],
            "ports": [{"name": "", "port": PORT, "protocol": "TCP"}]}  # fmt: skip
    net.apply(piece)
    selfless = net.get("service", "selfless")["spec"]["clusterIP"]
    net.answers("client-1", http(selfless), REFUSED)
    net.apply(mine)
    net.answers("client-1", http(selfless), "web-2")
    net.answers("client-1", http("198.51.100.20"), *WEBS)
    net.answers("client-1", http(taken[0]), *WEBS)
    net.change("second", selector={"app": "web", "n": "1"})
    wait(lambda: any("198.51.100.20" in one for one in events(net, "AddressInUse")), "an event")
    net.answers("client-1", http("198.51.100.20"), *WEBS)


def test_a_restarted_proxy_changes_nothing(net: Net) -> None:
    """Connections live on, and so do the rules while nobody looks after them."""
    address, _ = net.service("steady")
    net.answers("client-1", http(address), *WEBS)
    machine = net.machines[0]
    before = service_map(net, machine)
    pid = net.cluster.daemon_pid(f"{machine}/proxy")
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    assert net.ask("client-1", http(address)) in WEBS
    wait(lambda: net.cluster.daemon_pid(f"{machine}/proxy") != pid, "another proxy")
    wait(lambda: net.cluster.lab_ready(f"{machine}/proxy"), "its first look")
    assert service_map(net, machine) == before
    net.cluster.on(machine, "nft", "delete", "table", "ip", "wherry")  # somebody else's hand
    net.answers("client-1", http(address), *WEBS)


def test_a_cut_off_machine_keeps_its_rules_and_catches_up(net: Net) -> None:
    old, _ = net.service("before")
    net.answers("client-2", http(old), *WEBS)
    machine = net.machines[1]
    net.cluster.wherry("lab", "cut", machine, HUB, "--dir", str(net.cluster.directory))
    try:
        new, _ = net.service("meanwhile")
        # Two of them: the machine that nobody hears from may be called silent by now.
        wait(lambda: net.ask("client-1", http(new)) in WEBS, "the other machines go on")
        assert net.ask("client-2", http(old)) in WEBS, "nothing was forgotten"
        assert net.ask("client-2", http(new)) == SILENT, "nor can it know"
    finally:
        net.cluster.wherry("lab", "heal", "--dir", str(net.cluster.directory))
    net.answers("client-2", http(new), *WEBS)
