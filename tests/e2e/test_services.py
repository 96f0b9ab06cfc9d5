"""Services on two machines: every way to reach a pod, and every way not to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.faults import HUB
from tests.e2e.net import PORT, REFUSED, SILENT, Net, built, events, ruleset, server
from tests.e2e.support import Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
BOTH = ("web-1", "web-2")


@pytest.fixture(scope="module")
def net(cluster: Cluster) -> Iterator[Net]:
    yield from built(cluster, "services")


def http(address: str, port: int = 80) -> str:
    return f"http://{address}:{port}/"


def test_a_cluster_address_answers_everywhere(net: Net) -> None:
    address = net.service("web")
    for client in ("client-1", "web-1", net.machines[1]):  # a pod, an endpoint itself, a node
        net.answers(client, http(address), *BOTH)
    assert net.ask("client-1", http(address, 81)) == REFUSED
    for machine in net.machines:
        assert net.ask(machine, f"http://{net.cluster.lab.wires.address(machine)}:10256/proxyMode") == "nftables"  # fmt: skip


def test_endpoints_come_and_go(net: Net) -> None:
    address = net.service("changing")
    net.answers("client-1", http(address), *BOTH)
    net.kubectl("exec", "web-1", "--", "rm", "/w/ready")
    net.answers("client-1", http(address), "web-2")
    net.kubectl("exec", "web-2", "--", "rm", "/w/ready")
    net.answers("client-1", http(address), REFUSED)
    for name in BOTH:
        net.kubectl("exec", name, "--", "touch", "/w/ready")
    net.answers("client-1", http(address), *BOTH)


def test_a_client_keeps_its_endpoint(net: Net) -> None:
    address = net.service("sticky", sessionAffinity="ClientIP")
    wait(lambda: net.ask("client-2", http(address)) in BOTH, "an answer")
    first = net.ask("client-2", http(address))
    assert {net.ask("client-2", http(address)) for _ in range(12)} == {first}


def test_node_ports_and_the_local_policy(net: Net) -> None:
    ports = [{"port": 80, "targetPort": PORT, "nodePort": 31280}]
    net.service("ported", type="NodePort", ports=ports)
    nodes = [net.cluster.lab.wires.address(one) for one in net.machines]
    net.answers("", http(nodes[0], 31280), *BOTH)
    net.answers("client-2", http(nodes[0], 31280), *BOTH)
    net.answers(net.machines[0], http("127.0.0.1", 31280), *BOTH)
    local = [{"port": 80, "targetPort": PORT, "nodePort": 31281}]
    net.service("local", type="LoadBalancer", ports=local, externalTrafficPolicy="Local",
                healthCheckNodePort=31282, selector={"n": "1", "app": "web"})  # fmt: skip
    net.answers("", http(nodes[0], 31281), "web-1")
    net.answers("", http(nodes[1], 31281), SILENT)
    net.answers("client-2", http(nodes[1], 31281), "web-1")  # inside the cluster it is served
    well = json.loads(net.ask("", f"http://{nodes[0]}:31282/"))
    assert well == {"service": {"namespace": net.namespace, "name": "local"},
                    "localEndpoints": 1, "serviceProxyHealthy": True}  # fmt: skip
    assert json.loads(net.ask("", f"http://{nodes[1]}:31282/"))["localEndpoints"] == 0


def test_load_balancers_and_external_addresses(net: Net) -> None:
    net.service("balanced", type="LoadBalancer", externalIPs=["198.51.100.10"],
                loadBalancerSourceRanges=["203.0.113.0/24"])  # fmt: skip
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.11"}]}}}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps(status))
    net.kubectl("patch", "service", "balanced", *patch)
    net.answers("client-1", http("198.51.100.10"), *BOTH)
    net.answers("client-1", http("198.51.100.11"), SILENT)  # from outside its ranges
    wider = {"spec": {"loadBalancerSourceRanges": ["10.244.0.0/16"]}}
    net.kubectl("patch", "service", "balanced", "--type=merge", "-p", json.dumps(wider))
    net.answers("client-1", http("198.51.100.11"), *BOTH)


def test_traffic_stays_near(net: Net) -> None:
    near = net.service("near", trafficDistribution="PreferSameNode")
    inner = net.service("inner", internalTrafficPolicy="Local", selector={"n": "1", "app": "web"})
    net.answers("client-1", http(near), "web-1")
    net.answers("client-2", http(near), "web-2")
    net.answers("client-1", http(inner), "web-1")
    net.answers("client-2", http(inner), SILENT)
    net.kubectl("exec", "web-1", "--", "rm", "/w/ready")
    net.answers("client-1", http(near), "web-2")  # rather far than not at all
    net.kubectl("exec", "web-1", "--", "touch", "/w/ready")
    net.answers("client-1", http(near), "web-1")


def test_the_last_one_serves_while_it_ends(net: Net) -> None:
    net.apply(server("last-1", net.machines[0], {"app": "last"}, grace=30))
    net.kubectl("wait", "--for=condition=Ready", "pod/last-1", "--timeout=60s")
    address = net.service("last", selector={"app": "last"})
    net.answers("client-2", http(address), "last-1")
    net.kubectl("delete", "pod", "last-1", "--wait=false")
    wait(lambda: _conditions(net, "last") == [(False, True, True)], "a terminating endpoint")
    net.answers("client-2", http(address), "last-1")
    net.kubectl("delete", "pod", "last-1", "--grace-period=0", "--force", "--wait=false")
    net.answers("client-2", http(address), REFUSED)


def _conditions(net: Net, service: str) -> list[tuple[bool, bool, bool]]:
    slices = net.get("endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
    found = [one["conditions"] for piece in slices for one in piece.get("endpoints") or []]
    return [(one["ready"], one["serving"], one["terminating"]) for one in found]


def test_udp_clients_do_not_hang_on_a_vanished_endpoint(net: Net) -> None:
    servers = [net.udp(name, name) for name in BOTH]
    try:
        ports = [{"port": 53, "targetPort": 9053, "protocol": "UDP"}]
        address = net.service("datagrams", ports=ports)
        script = (
            "import socket, sys\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5)\n"
            f"s.connect(({address!r}, 53))\n"
            "for line in sys.stdin:\n"
            "    try: s.send(b'?'); print(s.recv(99).decode(), flush=True)\n"
            "    except OSError: print('nothing', flush=True)\n"
        )
        command = [*net.inside("client-1"), sys.executable, "-c", script]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:  # fmt: skip
            assert client.stdin
            assert client.stdout

            def ask() -> str:
                client.stdin.write("\n")
                client.stdin.flush()
                return client.stdout.readline().strip()

            first = wait(lambda: (word := ask()) in BOTH and word, "an answer by UDP")
            other = BOTH[1 - BOTH.index(first)]
            assert {ask() for _ in range(5)} == {first}, "one flow, one endpoint"
            net.kubectl("exec", first, "--", "rm", "/w/ready")
            wait(lambda: ask() == other, "the same socket reaches the other endpoint")
            client.stdin.close()
        net.kubectl("exec", first, "--", "touch", "/w/ready")
    finally:
        for one in servers:
            one.kill()
            one.wait()


def test_what_needs_no_rules_gets_none(net: Net) -> None:
    net.service("bare", clusterIP="None")
    net.service(
        "elsewhere", type="ExternalName", externalName="example.com", selector=None, ports=[]
    )
    net.apply({"apiVersion": "v1", "kind": "Service",
               "metadata": {"name": "foreign", "labels": {"service.kubernetes.io/service-proxy-name": "x"}},
               "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": PORT}]}})  # fmt: skip
    address = net.service("seen")
    net.answers("client-1", http(address), *BOTH)
    rules = ruleset(net.cluster, net.machines[0])
    assert f"{net.namespace}/seen" in rules
    for name in ("bare", "elsewhere", "foreign"):
        assert f"{net.namespace}/{name}/" not in rules


def test_bad_input_is_named_and_disturbs_nobody(net: Net) -> None:
    taken = net.service("first", externalIPs=["198.51.100.20"])
    net.answers("client-1", http("198.51.100.20"), *BOTH)
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
    net.answers("client-1", http("198.51.100.20"), *BOTH)
    net.answers("client-1", http(taken), *BOTH)
    second = {"spec": {"selector": {"app": "web", "n": "1"}}}
    net.kubectl("patch", "service", "second", "--type=merge", "-p", json.dumps(second))
    wait(lambda: any("198.51.100.20" in one for one in events(net, "AddressInUse")), "an event")
    net.answers("client-1", http("198.51.100.20"), *BOTH)


def service_map(net: Net, machine: str) -> set[str]:
    return {*net.cluster.on(machine, "nft", "list", "map", "ip", "wherry", "services").split()}


def test_a_restarted_proxy_changes_nothing(net: Net) -> None:
    """Connections live on, and so do the rules while nobody looks after them."""
    address = net.service("steady")
    net.answers("client-1", http(address), *BOTH)
    machine = net.machines[0]
    before = service_map(net, machine)
    pid = net.cluster.daemon_pid(f"{machine}/proxy")
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    assert net.ask("client-1", http(address)) in BOTH
    wait(lambda: net.cluster.daemon_pid(f"{machine}/proxy") != pid, "another proxy")
    wait(lambda: net.cluster.lab_ready(f"{machine}/proxy"), "its first look")
    assert service_map(net, machine) == before
    net.cluster.on(machine, "nft", "delete", "table", "ip", "wherry")  # somebody else's hand
    net.answers("client-1", http(address), *BOTH)


def test_a_cut_off_machine_keeps_its_rules_and_catches_up(net: Net) -> None:
    old = net.service("before")
    net.answers("client-2", http(old), *BOTH)
    machine = net.machines[1]
    net.cluster.wherry("lab", "cut", machine, HUB, "--dir", str(net.cluster.directory))
    try:
        new = net.service("meanwhile")
        # One of them: the machine that nobody hears from may be called silent by now.
        wait(lambda: net.ask("client-1", http(new)) in BOTH, "the other machine goes on")
        assert net.ask("client-2", http(old)) in BOTH, "nothing was forgotten"
        assert net.ask("client-2", http(new)) == SILENT, "nor can it know"
    finally:
        net.cluster.wherry("lab", "heal", "--dir", str(net.cluster.directory))
    net.answers("client-2", http(new), *BOTH)
