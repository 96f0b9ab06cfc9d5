"""A real server on real sockets, with an upstream that is one too."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from prometheus_client import CollectorRegistry

from nameserver import forward
from nameserver.forward import Forwarder
from nameserver.responder import Responder
from nameserver.server import serve
from nameserver.zone import Zone, service_records
from tests.unit.nameserver.make import endpoint, endpoint_slice, service

HOST = "127.0.0.1"
SOA = "ns.example.com. host.example.com. 1 2 3 4 60"
SVC = "default.svc.cluster.local"


class Upstream(asyncio.DatagramProtocol):
    """Knows one address for every name; answers `big.*` truncated by UDP, `mute.*` never, `none.*`
    not at all. `counts`: questions by UDP."""

    counts: Counter[str] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        self.counts[":".join(map(str, self.transport.get_extra_info("sockname")))] += 1
        if b"\x04mute" not in data:
            self.transport.sendto(self.reply(data, b"\x03big" in data), addr)

    @staticmethod
    def reply(data: bytes, truncated: bool = False) -> bytes:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        if truncated:
            response.flags |= dns.flags.TC
        elif b"\x04none" in data:
            response.set_rcode(dns.rcode.NXDOMAIN)
            response.authority.append(dns.rrset.from_text("example.com.", 60, "IN", "SOA", SOA))
        else:
            name = query.question[0].name
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.7"))
        return response.to_wire()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = self.reply(await reader.readexactly(length))
        writer.write(struct.pack("!H", len(reply)) + reply)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    one = Upstream()
    tcp = await asyncio.start_server(one.converse, HOST, 0)
    port = tcp.sockets[0].getsockname()[1]
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: one, local_addr=(HOST, port)
    )
    async with tcp:
        yield f"{HOST}:{port}"
    udp.close()


class Running:
    def __init__(self, zone: Zone, responder: Responder, port: int) -> None:
        self.zone, self.responder, self.port = zone, responder, port
        self.synced = True

    async def ask(self, name: str, kind: str = "A", *, tcp: bool = False) -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        way = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await way(query, HOST, timeout=20, port=self.port)

    async def addresses(self, name: str, **how: bool) -> list[str]:
        reply = await self.ask(name, **how)
        return [item.to_text() for rrset in reply.answer for item in rrset]


@asynccontextmanager
async def running(*servers: str) -> AsyncIterator[Running]:
    zone = Zone("cluster.local")
    slices = endpoint_slice("db", endpoint("10.244.0.2", "db-0"), endpoint("10.244.0.3", "db-1"))
    alias = service("out", type="ExternalName", externalName="www.example.com")
    for one, its in (
        (service("web", "10.96.0.10"), []),
        (service("db", "None"), [slices]),
        (alias, []),
    ):
        key = (one.metadata.namespace, one.metadata.name)
        zone.replace(key, service_records(one, its, zone.domain))
    registry = CollectorRegistry()
    responder = Responder(zone, Forwarder(servers), lambda: state.synced, registry, ("10.96.0.53",))
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(responder, [HOST], 0, on_listening=listening.set_result))
    state = Running(zone, responder, await listening)
    try:
        yield state
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("tcp", [False, True])
async def test_names_of_the_cluster(tcp: bool) -> None:
    async with running() as server:
        for _ in range(2):  # the second answer comes from the cache
            assert await server.addresses(f"web.{SVC}", tcp=tcp) == ["10.96.0.10"]
        missing = await server.ask(f"nope.{SVC}", tcp=tcp)
        assert missing.rcode() == dns.rcode.NXDOMAIN


async def test_addresses_are_handed_out_in_turn() -> None:
    async with running() as server:
        firsts = [(await server.addresses(f"db.{SVC}"))[0] for _ in range(4)]
        assert firsts == ["10.244.0.2", "10.244.0.3"] * 2


async def test_a_change_of_the_zone_is_seen() -> None:
    async with running() as server:
        await server.addresses(f"web.{SVC}")
        server.responder.forget(server.zone.replace(("default", "web"), ()))
        assert (await server.ask(f"web.{SVC}")).rcode() == dns.rcode.NXDOMAIN


async def test_before_the_zone_is_complete_nothing_is_denied() -> None:
    async with running() as server:
        server.synced = False
        assert (await server.ask(f"nope.{SVC}")).rcode() == dns.rcode.SERVFAIL


async def test_other_names_are_forwarded() -> None:
    async with upstream() as address, running(address) as server:
        assert await server.addresses("www.example.com") == ["192.0.2.7"]
        assert await server.addresses(f"out.{SVC}") == ["www.example.com.", "192.0.2.7"]
        assert await server.addresses("big.example.com") == ["192.0.2.7"]  # fetched by TCP


async def test_the_root_is_asked_for_like_any_other_name() -> None:
    async with upstream() as address, running(address) as server:
        assert (await server.ask(".", "NS")).rcode() == dns.rcode.NOERROR


async def test_the_next_resolver_is_tried(monkeypatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((HOST, 0))
        silent = f"{HOST}:{deaf.getsockname()[1]}"
        async with upstream() as address, running(silent, address) as server:
            assert await server.addresses("www.example.com") == ["192.0.2.7"]
            assert (await server.ask("mute.example.com")).rcode() == dns.rcode.SERVFAIL


async def test_without_resolvers_other_names_fail_at_once() -> None:
    async with running() as server:
        assert (await server.ask("www.example.com")).rcode() == dns.rcode.SERVFAIL


async def test_answers_of_others_are_kept_and_asked_for_once() -> None:
    async with upstream() as address, running(address) as server:
        asked = [server.ask("www.example.com") for _ in range(20)]
        assert {r.answer[0][0].to_text() for r in await asyncio.gather(*asked)} == {"192.0.2.7"}
        assert (await server.ask("WWW.example.COM", tcp=True)).answer
        assert (await server.ask("none.example.com")).rcode() == dns.rcode.NXDOMAIN
        assert (await server.ask("none.example.com")).rcode() == dns.rcode.NXDOMAIN
        assert Upstream.counts[address] == 2


async def test_a_resolver_that_was_silent_is_not_waited_for_again(monkeypatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((HOST, 0))
        silent = f"{HOST}:{deaf.getsockname()[1]}"
        async with upstream() as address, running(silent, address) as server:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await server.ask("one.example.com")
            assert (
                loop.time() - began < forward.TRY_SECONDS
            )  # the second was asked beside the first
            server.responder._forwarder.upstreams[0].failed(time.monotonic())
            began = loop.time()
            await server.ask("two.example.com")
            assert loop.time() - began < forward.HEDGE_SECONDS


async def test_a_loop_is_found_and_not_walked() -> None:
    async with running() as server:
        forwarder = server.responder._forwarder
        forwarder.use([f"{HOST}:{server.port}"])
        looking = asyncio.ensure_future(forwarder.look_for_loops())
        async with asyncio.timeout(20):
            while not forwarder.upstreams[0].looped:
                await asyncio.sleep(0.02)
        looking.cancel()
        assert (await server.ask("www.example.com")).rcode() == dns.rcode.SERVFAIL


async def test_resolv_conf_is_followed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(forward, "LOOK_SECONDS", 0.05)
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 192.0.2.1\n")
    forwarder = Forwarder([])
    following = asyncio.ensure_future(forwarder.follow(conf, ["10.96.0.10"]))
    for text, named in (("", ["192.0.2.1"]), ("nameserver 192.0.2.2\n", ["192.0.2.2"])):
        if text:
            conf.write_text(text)
        async with asyncio.timeout(20):
            while [one.host for one in forwarder.upstreams] != named:
                await asyncio.sleep(0.02)
    following.cancel()


async def test_the_zone_is_given_to_nobody_as_a_whole() -> None:
    async with running() as server:
        for tcp in (False, True):
            assert (await server.ask("cluster.local", "AXFR", tcp=tcp)).rcode() == dns.rcode.REFUSED


async def test_garbage_does_no_harm() -> None:
    async with running() as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for data in (b"", b"x", bytes(12), bytes(range(64))):
                client.sendto(data, (HOST, server.port))
        _, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(b"\x00\x03abc")
        writer.close()
        assert await server.addresses(f"web.{SVC}") == ["10.96.0.10"]
