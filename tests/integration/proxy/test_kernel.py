"""The rules in a real kernel, between network namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from proxy.commands import CommandError
from proxy.conntrack import Flows
from proxy.family import FAMILIES, IP4, IP6, Family
from proxy.filter import Filter, remove_table
from proxy.main import follow
from proxy.metrics import Metrics
from proxy.policy import Policies, compile_policy
from proxy.ruleset import NOTHING, Part
from proxy.syncer import Syncer
from proxy.tracker import Settings
from tests.integration.proxy.network import (
    NODE,
    NODE6,
    POD_A,
    POD_A6,
    POD_B,
    POD_B6,
    STRANGER,
    STRANGER6,
    Network,
)
from tests.unit.proxy.make import (
    compiled,
    endpoint,
    endpoint_slice,
    parts,
    pod,
    policy,
    service,
    table,
)
from tests.unit.proxy.tracer import Fate, Packet
from wherry.client.decode import WatchEvent
from wherry.daemon.clock import FakeClock, SystemClock

VIP, VIP6 = "10.96.0.10", "fd01::10"
WEB = {"type": "NodePort", "ports": [{"name": "http", "port": 80, "nodePort": 30080}]}
RANGES = {
    IP4: ("10.244.0.0/16", "10.244.0.0/24", "0.0.0.0/0", "10.96.0.0/16"),
    IP6: ("fd00:244::/32", "fd00:244::/64", "::/0", "fd01::/112"),
}
Parts = dict[str, Part]
REFUSED, SILENT = 7, 28  # curl's codes


def node_part(family: Family) -> Part:
    names = ("pods", "own_pods", "node_port_addresses", "service_ranges")
    values = zip(names, RANGES[family], strict=True)
    return Part(elements={name: {value: ""} for name, value in values})


def built(*objects, family: Family = IP4) -> Parts:
    return parts(objects, family=family, node=node_part(family))


def web(*addresses: str, **spec) -> Parts:
    return built(service(**{**WEB, **spec}), endpoint_slice(*(endpoint(one) for one in addresses)))


def apply(net: Network, *states: Parts, family: Family = IP4) -> None:
    """The first state by taking over what is there, the others as changes."""

    async def work() -> None:
        kernel = Filter(family, SystemClock())
        await kernel.apply_all(states[0])
        for state in states[1:]:
            await kernel.apply(state)

    net.inside(work)


def answers(net: Network, name: str, url: str, times: int = 12) -> set[str]:
    return {net.curl(name, url) for _ in range(times)}


BOTH = {"pod a", "pod b"}


def test_everybody_reaches_the_service(network: Network) -> None:
    apply(network, web(POD_A, POD_B))
    assert answers(network, "a", f"http://{VIP}") == BOTH  # itself included: hairpin
    assert answers(network, "node", f"http://{VIP}") == BOTH
    assert answers(network, "node", f"http://{NODE}:30080") == BOTH
    assert answers(network, "node", "http://127.0.0.1:30080") == BOTH
    assert answers(network, "stranger", f"http://{NODE}:30080") == BOTH


def test_changes_are_applied_as_differences(network: Network) -> None:
    async def work() -> None:
        clock = FakeClock()
        kernel = Filter(IP4, clock)
        await kernel.apply_all(web(POD_A, POD_B))
        gone = dict.fromkeys(web(), NOTHING)
        for state in (web(POD_B), web(), web(POD_A), gone, web(POD_B)):
            await kernel.apply(state)
            clock.advance(2)
            await kernel.sweep()
            assert kernel.known, "no step may need the full table"
        before = kernel.written
        await kernel.apply(web(POD_B))
        assert kernel.written == before

    network.inside(work)
    assert answers(network, "a", f"http://{VIP}") == {"pod b"}
    listing = network.run("node", "nft", "list", "table", "ip", "wherry")
    assert listing.count("chain service-") == 1


def test_a_new_proxy_takes_over_what_the_last_one_left(network: Network) -> None:
    policies = Policies()
    policies.replace(
        "default", "np", compile_policy(policy(ingress=[{"from": [{"podSelector": {}}]}]))
    )

    def everything(family: Family, *addresses: str) -> Parts:
        six = endpoint_slice(*(endpoint(one) for one in addresses), address_type=family.slices)
        both = service(clusterIPs=[VIP, VIP6], sessionAffinity="ClientIP", **WEB)
        held = policies.part(pod("a", addresses[0]), {}, family, here=True)
        return {**built(both, six, family=family), "pod a": held}

    async def work() -> None:
        for family, a, b in ((IP4, POD_A, POD_B), (IP6, POD_A6, "fd00::ffff:10.0.0.1")):
            first, second = Filter(family, SystemClock()), Filter(family, SystemClock())
            await first.apply_all(everything(family, a, b))
            await first.apply(everything(family, a))  # leaves an emptied chain behind
            await second.apply_all(everything(family, a))
            assert second.written == 0, "nothing differs"
            clock = FakeClock()
            third = Filter(family, clock)
            await third.apply_all(built(service(), family=family))
            assert third.written < first.written
            clock.advance(2)
            await third.sweep()

    network.inside(work)
    listing = network.run("node", "nft", "list", "ruleset")
    assert "chain service-" not in listing
    assert "clients-" not in listing


def test_without_endpoints_a_connection_is_refused_at_once(network: Network) -> None:
    apply(network, web())
    assert network.curl_code("a", f"http://{VIP}") == REFUSED
    assert network.curl_code("node", f"http://{VIP}") == REFUSED
    assert network.curl_code("stranger", f"http://{NODE}:30080") == REFUSED
    assert network.curl_code("a", f"http://{VIP}:81") == REFUSED


def test_clients_keep_their_endpoint(network: Network) -> None:
    sticky = web(POD_A, POD_B, sessionAffinity="ClientIP")
    apply(network, sticky)
    first = network.curl("stranger", f"http://{NODE}:30080")
    assert first in BOTH
    assert answers(network, "stranger", f"http://{NODE}:30080") == {first}
    left, stays = (POD_B, "pod b") if first == "pod a" else (POD_A, "pod a")
    apply(network, sticky)  # a new proxy
    assert answers(network, "stranger", f"http://{NODE}:30080", 4) == {first}
    apply(network, sticky, web(left, sessionAffinity="ClientIP"))
    assert answers(network, "stranger", f"http://{NODE}:30080", 3) == {stays}


def test_strangers_do_not_reach_the_loopback(network: Network, tmp_path) -> None:
    """`route_localnet` opens 127.0.0.0/8 to neighbours; the rules close it again."""
    network.httpd("node", 9999, "private", str(tmp_path))
    network.run("stranger", "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    network.run("stranger", "ip", "route", "flush", "table", "local", "127.0.0.0/8")
    network.run("stranger", "ip", "addr", "flush", "dev", "lo")
    network.run("stranger", "ip", "route", "add", "127.0.0.0/8", "via", NODE, "src", STRANGER)
    assert network.curl("stranger", "http://127.0.0.1:9999") == "private"
    apply(network, web(POD_A))
    assert network.curl("stranger", "http://127.0.0.1:9999") == ""
    assert network.curl("node", "http://127.0.0.1:9999") == "private"


def test_after_a_failure_everything_is_written_again(network: Network) -> None:
    async def work() -> None:
        kernel = Filter(IP4, SystemClock())
        await kernel.apply_all(web(POD_A))
        await remove_table(IP4)  # somebody else's hand
        with pytest.raises(CommandError):
            await kernel.apply(web(POD_B))
        assert not kernel.known
        await kernel.apply_all(web(POD_B))
        await remove_table(IP4)
        kernel.check()
        assert not kernel.known, "noticed without a change, too"
        for hostile in ("flush table ip wherry", "flush chain ip wherry serve"):
            await kernel.apply_all(web(POD_A))
            kernel.check()
            assert kernel.known
            network.run("node", "nft", *hostile.split())
            kernel.check()
            assert not kernel.known, hostile
        await kernel.apply_all(web(POD_A, POD_B))
        network.run("node", "nft", "delete", "element", "ip", "wherry", "services",
                    f"{{ {VIP} . tcp . 80 }}")  # fmt: skip
        with pytest.raises(CommandError):
            await kernel.apply(web(POD_A))
        await kernel.apply_all(web(POD_A, POD_B))

    network.inside(work)
    assert answers(network, "a", f"http://{VIP}") == BOTH


def test_flows_are_forgotten_and_tables_removed(network: Network) -> None:
    async def work() -> None:
        for family in FAMILIES:
            vip, a, b = (VIP, POD_A, POD_B) if family is IP4 else (VIP6, POD_A6, POD_B6)
            objects = [
                service(ports=[{"name": "dns", "port": 53, "protocol": "UDP"}], clusterIPs=[VIP, VIP6]),
                endpoint_slice(endpoint(a), address_type=family.slices,
                               ports=[{"name": "dns", "port": 53, "protocol": "UDP"}]),
            ]  # fmt: skip
            await Filter(family, SystemClock()).apply_all(built(*objects, family=family))
            network.run("b", "bash", "-c", f"echo > /dev/udp/{vip}/53")
            listing = ("conntrack", "-L", "-f", f"ipv{family.version}", "-p", "udp")
            await until(lambda: "dport=53" in network.run("node", *listing))  # noqa: B023 # at once
            flows, udp = Flows(family), compiled(objects, family=family)["service default/web"].udp
            assert await flows.follow({"web": udp}, whole=True) == 0
            assert await flows.follow({"web": udp}, whole=False) is None, "nothing changed"
            moved = dict.fromkeys(udp, frozenset({b}))
            assert await Flows(family).follow({"web": moved}, whole=True) == 1, "another proxy"
            assert await flows.follow({"web": {}}, whole=False) == 0, "it is gone already"
            for _ in range(2):  # a second time does no harm
                await remove_table(family)

    network.inside(work)
    assert "wherry" not in network.run("node", "nft", "list", "tables")


# -- the evaluator of the unit tests against this kernel

PODS = {
    IP4: [pod("a", POD_A, labels={"app": "a"}), pod("b", POD_B, labels={"app": "b"}, ports=[("web", 8080)])],
    IP6: [pod("a", POD_A6, labels={"app": "a"}), pod("b", POD_B6, labels={"app": "b"}, ports=[("web", 8080)])],
}  # fmt: skip
SOURCES = {
    IP4: {"a": POD_A, "b": POD_B, "node": NODE, "stranger": STRANGER},
    IP6: {"a": POD_A6, "b": POD_B6, "node": NODE6, "stranger": STRANGER6},
}
TO_A = {"podSelector": {"matchLabels": {"app": "a"}}}
POLICIES = {
    "none": [],
    "b takes from a": [policy(ingress=[{"from": [TO_A]}], podSelector={"matchLabels": {"app": "b"}})],
    "b takes nothing": [policy(policyTypes=["Ingress"], podSelector={"matchLabels": {"app": "b"}})],
    "a sends to web ports": [
        policy(policyTypes=["Egress"], egress=[{"ports": [{"port": "web"}]}], podSelector=TO_A["podSelector"])
    ],
    "b takes from strangers": [
        policy(
            podSelector={"matchLabels": {"app": "b"}},
            ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.1/32"]}},
                               {"ipBlock": {"cidr": "::/0", "except": ["fd00:244::/64"]}},
                               {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}],
                      "ports": [{"port": 8000, "endPort": 8081}, {"port": 8081, "endPort": 8090}]}],
        )
    ],
}  # fmt: skip


def policy_parts(names: list, family: Family) -> Parts:
    known = Policies()
    for number, one in enumerate(names):
        known.replace("default", str(number), compile_policy(one))
    return {
        f"pod {one.metadata.name}": known.part(one, {}, family, here=True) for one in PODS[family]
    }


def expected(fates: frozenset[Fate], family: Family) -> set[str | int]:
    names = {SOURCES[family]["a"]: "pod a", SOURCES[family]["b"]: "pod b"}
    words: Mapping[str, int] = {"reject": REFUSED, "drop": SILENT}
    return {words[f.verdict] if f.verdict in words else names[f.destination] for f in fates}


def warm_up(net: Network, client: str, address: str) -> None:
    net.ask(client, f"http://[{address}]:8080" if ":" in address else f"http://{address}:8080", 2)


def seen(net: Network, name: str, url: str, wanted: set[str | int]) -> set[str | int]:
    """What happens, until all that may has been seen."""
    found: set[str | int] = set()
    for _ in range(40):
        found.add(net.ask(name, url, 0.6))
        if found >= wanted:
            return found
    return found


AGREEMENTS = [(IP4, name) for name in POLICIES]
AGREEMENTS += [(IP6, name) for name in ("none", "a sends to web ports", "b takes from strangers")]


@pytest.mark.parametrize(("family", "name"), AGREEMENTS, ids=lambda one: getattr(one, "word", one))
def test_the_evaluator_agrees_with_the_kernel(network: Network, family: Family, name: str) -> None:
    sources = SOURCES[family]
    vip, node = (VIP, NODE) if family is IP4 else (VIP6, NODE6)
    six = endpoint_slice(endpoint(sources["a"]), endpoint(sources["b"]), address_type=family.slices)
    held = built(
        service(clusterIPs=[VIP, VIP6], **WEB), six,
        service("idle", "10.96.0.11", clusterIPs=["10.96.0.11", "fd01::11"]), family=family,
    )  # fmt: skip
    held |= policy_parts(POLICIES[name], family)
    bridge = "10.244.0.1" if family is IP4 else "fd00:244::1"
    evaluated = table(held, [node, bridge, "127.0.0.1", "::1"], family)
    for client, target in (("a", "b"), ("b", "a"), ("node", "a"), ("node", "b")):
        warm_up(network, client, sources[target])  # the first packet of all waits for neighbours
    apply(network, held, family=family)
    idle, unknown = vip.replace("10", "11") if family is IP6 else "10.96.0.11", f"{vip}7"
    for client, target, port in (
        ("a", vip, 80), ("b", vip, 80), ("node", vip, 80), ("stranger", node, 30080),
        ("a", sources["b"], 8080), ("b", sources["a"], 8080), ("a", idle, 80), ("a", unknown, 80),
        ("a", node, 30080), ("a", vip, 81),
    ):  # fmt: skip
        packet = Packet(sources[client], target, port, local=client == "node")
        wanted = expected(evaluated.fates(packet), family)
        url = f"http://[{target}]:{port}" if family is IP6 else f"http://{target}:{port}"
        assert seen(network, client, url, wanted) == wanted, f"{client} → {url}"


# -- the loop, with informers that hear what the test says


class Events:
    """Remembers what people are told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def event(self, about: Any, kind: str, reason: str, words: str) -> None:
        self.told.append(f"{about.name} {reason} {words}")


def test_the_loop_follows_changes_and_mends_its_table(network: Network) -> None:
    async def work() -> None:
        world = follow(cast("Any", None))
        events = Events()
        syncer = Syncer(
            world, Settings("n1", ("10.244.0.0/16",)), events=cast("Any", events),
            metrics=Metrics(CollectorRegistry()), clock=SystemClock(),
        )  # fmt: skip
        for informer in (world.services, world.slices, world.nodes, world.service_cidrs, world.policies):  # fmt: skip
            informer._synced.set()
        running = asyncio.create_task(syncer.run())
        try:
            await until(lambda: syncer.health() is None)
            hear(world.services, service(**WEB))
            hear(world.slices, endpoint_slice(endpoint(POD_A)))
            await until(lambda: asks("a") == "pod a")
            await remove_table(IP4)
            await until(lambda: asks("a") == "pod a")
            hear(world.slices, endpoint_slice(endpoint("nonsense"), endpoint(POD_B)))
            await until(lambda: asks("a") == "pod b")
            assert any("InvalidEndpoint" in one and "nonsense" in one for one in events.told)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def asks(client: str) -> str | int:
        return network.ask(client, f"http://{VIP}", 0.5)

    network.inside(work, seconds=120)


def hear(informer: Any, obj: Any) -> None:
    informer._apply(WatchEvent("MODIFIED", obj))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(true):
            await asyncio.sleep(0.05)
