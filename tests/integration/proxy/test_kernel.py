"""The rules in a real kernel, between network namespaces."""

from __future__ import annotations

import pytest

from proxy.commands import CommandError
from proxy.compile import compile_ruleset
from proxy.filter import Filter, remove_table
from proxy.ruleset import Ruleset
from tests.integration.proxy.network import NODE, POD_A, POD_B, STRANGER, Network
from tests.unit.proxy.make import endpoint, endpoint_slice, service
from wherry.daemon.clock import FakeClock, SystemClock

VIP = "10.96.0.10"
WEB = {"type": "NodePort", "ports": [{"name": "http", "port": 80, "nodePort": 30080}]}


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


def test_after_a_failure_everything_is_written_again(network: Network) -> None:
    async def work() -> None:
        kernel = Filter(SystemClock())
        await kernel.apply(compiled(POD_A))
        await remove_table()  # somebody else's hand
        with pytest.raises(CommandError):
            await kernel.apply(compiled(POD_B))
        assert kernel.applied is None
        await kernel.apply(compiled(POD_B))
        await remove_table()
        await kernel.check()
        assert kernel.applied is None, "noticed without a change, too"
        await kernel.apply(compiled(POD_A, POD_B))

    network.inside(work)
    assert answers(network, "a", f"http://{VIP}") == BOTH
