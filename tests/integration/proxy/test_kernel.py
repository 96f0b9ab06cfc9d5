"""The rules in a real kernel: a node, two pods and a stranger as network namespaces.

The proxy's commands run inside the node's namespace: a thread moves there and everything it starts
is born there. Nothing touches the machine's own namespace.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest

from proxy.compile import compile_ruleset
from proxy.conntrack import forget, stale_flows
from proxy.docker import ensure_accepts, remove_accepts
from proxy.filter import Filter, remove_table
from proxy.routes import Routes, remove_routes
from proxy.ruleset import Ruleset
from proxy.sysctl import ensure_settings
from tests.unit.proxy.make import endpoint, endpoint_slice, service
from wherry.daemon.clock import FakeClock, SystemClock

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("nft", "ip", "busybox", "curl"))),
    reason="needs root, nft, ip, busybox and curl",
)

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
STRANGER, NODE = "192.0.2.2", "192.0.2.1"
POD_A, POD_B = "10.244.0.2", "10.244.0.3"
VIP = "10.96.0.10"
WEB = {"type": "NodePort", "ports": [{"name": "http", "port": 80, "nodePort": 30080}]}


def sh(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@dataclass
class Network:
    """Namespaces named `<prefix>-node`, `-a`, `-b`, `-stranger`."""

    prefix: str
    servers: list[subprocess.Popen[bytes]]

    def space(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def run(self, name: str, *command: str, check: bool = True) -> str:
        return sh("nsenter", f"--net=/run/netns/{self.space(name)}", *command, check=check)

    def curl(self, name: str, url: str) -> str:
        """The body, or "" when nothing answers."""
        return self.run(name, "curl", "-s", "--max-time", "3", url, check=False).strip()

    def curl_code(self, name: str, url: str) -> int:
        command = ["nsenter", f"--net=/run/netns/{self.space(name)}", "curl", "-s", "--max-time", "3", url]  # fmt: skip
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode

    def inside(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine in a thread that lives in the node's namespace."""
        results: list[T] = []
        errors: list[BaseException] = []

        def body() -> None:
            try:
                with open(f"/run/netns/{self.space('node')}") as space:
                    if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                with asyncio.Runner() as runner:
                    results.append(runner.run(work()))
            except BaseException as error:  # noqa: BLE001 # raised again by the caller's thread
                errors.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join(30)
        if errors:
            raise errors[0]
        return results[0]

    def httpd(self, name: str, port: int, says: str, root: str) -> None:
        directory = os.path.join(root, name)
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "index.html"), "w") as page:
            page.write(says)
        self.servers.append(
            subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.space(name)}", "busybox", "httpd", "-f",
                 "-p", str(port), "-h", directory]
            )
        )  # fmt: skip


@pytest.fixture
def network(tmp_path) -> Iterator[Network]:
    net = Network(f"px{uuid.uuid4().hex[:6]}", [])
    names = ("node", "a", "b", "stranger")
    for name in names:
        sh("ip", "netns", "add", net.space(name))
    try:
        for name in names:
            net.run(name, "ip", "link", "set", "lo", "up")
        net.run("node", "ip", "link", "add", "cni0", "type", "bridge")
        net.run("node", "ip", "addr", "add", "10.244.0.1/24", "dev", "cni0")
        net.run("node", "ip", "link", "set", "cni0", "up")
        for name, address in (("a", POD_A), ("b", POD_B)):
            net.run("node", "ip", "link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0",
                    "netns", net.space(name))  # fmt: skip
            net.run("node", "ip", "link", "set", f"v{name}", "up", "master", "cni0")
            net.run(
                "node", "ip", "link", "set", f"v{name}", "type", "bridge_slave", "hairpin", "on"
            )
            net.run(name, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
            net.run(name, "ip", "link", "set", "eth0", "up")
            net.run(name, "ip", "route", "add", "default", "via", "10.244.0.1")
            net.httpd(name, 8080, f"pod {name}", str(tmp_path))
        net.run("node", "ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns",
                net.space("stranger"))  # fmt: skip
        net.run("node", "ip", "addr", "add", f"{NODE}/24", "dev", "up0")
        net.run("node", "ip", "link", "set", "up0", "up")
        net.run("node", "ip", "route", "add", "default", "via", STRANGER)
        net.run("stranger", "ip", "addr", "add", f"{STRANGER}/24", "dev", "eth0")
        net.run("stranger", "ip", "link", "set", "eth0", "up")
        net.httpd("stranger", 80, "stranger", str(tmp_path))
        net.inside(ensure_settings)
        yield net
    finally:
        for server in net.servers:
            server.kill()
            server.wait()
        for name in names:
            sh("ip", "netns", "del", net.space(name), check=False)


def compiled(*addresses: str, **spec) -> Ruleset:
    slices = [endpoint_slice(*(endpoint(one) for one in addresses))]
    return compile_ruleset([service(**{**WEB, **spec})], slices, "n1", ["10.244.0.0/16"])


def apply(net: Network, *rulesets: Ruleset) -> None:
    async def work() -> None:
        kernel = Filter(SystemClock())
        for ruleset in rulesets:
            await kernel.apply(ruleset)

    net.inside(work)


def answers(net: Network, name: str, url: str, times: int = 12) -> set[str]:
    return {net.curl(name, url) for _ in range(times)}


BOTH = {"pod a", "pod b"}


def test_everybody_reaches_the_service(network: Network) -> None:
    apply(network, compiled(POD_A, POD_B))
    assert answers(network, "a", f"http://{VIP}") == BOTH  # itself included: hairpin
    assert answers(network, "node", f"http://{VIP}") == BOTH
    assert answers(network, "node", f"http://{NODE}:30080") == BOTH
    assert answers(network, "node", "http://127.0.0.1:30080") == BOTH
    assert answers(network, "stranger", f"http://{NODE}:30080") == BOTH
    assert network.curl("a", f"http://{STRANGER}") == "stranger"  # masqueraded: no route back


def test_changes_are_applied_as_differences(network: Network) -> None:
    async def work() -> None:
        clock = FakeClock()
        kernel = Filter(clock)
        await kernel.apply(compiled(POD_A, POD_B))
        for ruleset in (compiled(POD_B), compiled(), compiled(POD_A), Ruleset(), compiled(POD_B)):
            await kernel.apply(ruleset)
            clock.advance(2)
            await kernel.sweep()
            assert kernel.applied == ruleset, "no step may need the full table"
        assert not await kernel.apply(compiled(POD_B))

    network.inside(work)
    assert answers(network, "a", f"http://{VIP}") == {"pod b"}
    listing = network.run("node", "nft", "list", "table", "ip", "wherry")
    assert listing.count("chain service-") == 1


def test_without_endpoints_a_connection_is_refused_at_once(network: Network) -> None:
    apply(network, compiled())
    refused = 7  # curl's code
    assert network.curl_code("a", f"http://{VIP}") == refused
    assert network.curl_code("node", f"http://{VIP}") == refused
    assert network.curl_code("stranger", f"http://{NODE}:30080") == refused
    assert network.curl_code("a", f"http://{VIP}:81") == refused


def test_clients_keep_their_endpoint(network: Network) -> None:
    sticky = compiled(POD_A, POD_B, sessionAffinity="ClientIP")
    apply(network, sticky)
    first = network.curl("stranger", f"http://{NODE}:30080")
    assert first in BOTH
    assert answers(network, "stranger", f"http://{NODE}:30080") == {first}
    gone, stays = (POD_A, "pod b") if first == "pod a" else (POD_B, "pod a")
    left = POD_B if gone == POD_A else POD_A
    apply(network, sticky, compiled(left, sessionAffinity="ClientIP"))
    assert answers(network, "stranger", f"http://{NODE}:30080", 3) == {stays}


def test_strangers_do_not_reach_the_loopback(network: Network, tmp_path) -> None:
    """`route_localnet` opens 127.0.0.0/8 to neighbours; the rules close it again."""
    network.httpd("node", 9999, "private", str(tmp_path))
    network.run("stranger", "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    network.run("stranger", "ip", "route", "flush", "table", "local", "127.0.0.0/8")
    network.run("stranger", "ip", "addr", "flush", "dev", "lo")
    network.run("stranger", "ip", "route", "add", "127.0.0.0/8", "via", NODE, "src", STRANGER)
    assert network.curl("stranger", "http://127.0.0.1:9999") == "private"
    apply(network, compiled(POD_A))
    assert network.curl("stranger", "http://127.0.0.1:9999") == ""
    assert network.curl("node", "http://127.0.0.1:9999") == "private"


def test_a_refused_transaction_leads_to_the_full_table(network: Network) -> None:
    async def work() -> None:
        kernel = Filter(SystemClock())
        await kernel.apply(compiled(POD_A))
        await remove_table()  # somebody else's hand
        await kernel.check()
        assert kernel.applied is None
        await kernel.apply(compiled(POD_A, POD_B))

    network.inside(work)
    assert answers(network, "a", f"http://{VIP}") == BOTH


def test_docker_chain_routes_and_cleanup(network: Network) -> None:
    async def work() -> None:
        assert not await ensure_accepts(["10.244.0.0/16"]), "no Docker here yet"
        network.run("node", "iptables", "-N", "DOCKER-USER")
        for _ in range(2):
            assert await ensure_accepts(["10.244.0.0/16"])
        routes = Routes()
        await routes.apply({"10.244.1.0/24": STRANGER, "10.244.2.0/24": STRANGER})
        await routes.apply({"10.244.2.0/24": STRANGER})
        await forget(stale_flows(Ruleset(), compiled(POD_A)))

    network.inside(work)
    assert network.run("node", "iptables", "-S", "DOCKER-USER").count("ACCEPT") == 2
    assert "10.244.1.0/24" not in network.run("node", "ip", "route")
    assert "10.244.2.0/24 via" in network.run("node", "ip", "route")

    async def clean() -> None:
        await remove_table()
        await remove_accepts()
        await remove_routes()

    network.inside(clean)
    network.inside(clean)  # a second time does no harm
    assert "ACCEPT" not in network.run("node", "iptables", "-S", "DOCKER-USER")
    assert "10.244.2.0/24" not in network.run("node", "ip", "route")
    assert "wherry" not in network.run("node", "nft", "list", "tables")
