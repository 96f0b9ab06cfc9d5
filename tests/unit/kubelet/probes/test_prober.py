"""Each kind of probe against real sockets."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from kubelet.probes.prober import Prober, port_number, url_of
from kubelet.probes.state import Outcome, Result
from kubelet.runtime.protocol import ExecResult, RuntimeFailure
from wherry.api.core_v1 import Container, HTTPGetAction, Probe

HOST = "127.0.0.1"
CONTAINER = Container.from_wire({"name": "c", "ports": [{"name": "web", "containerPort": 8080}]})


class Executor:
    def __init__(self, answer):
        self.answer = answer

    async def exec_sync(self, container_id, command, timeout):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def outcome(probe, *, executor=None):
    return await Prober(executor).probe(Probe.from_wire(probe), CONTAINER, "id", HOST)


@asynccontextmanager
async def server(reply):
    """Answers each connection with `reply(head) -> bytes`, or never when that is None."""
    heads, done = [], []

    async def serve(reader, writer):
        done.append(asyncio.current_task())
        try:
            head = (await reader.read(65536)).decode()
            heads.append(head)
            answer = reply(head) if head else b""
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
        except ConnectionError:
            heads.append("")  # the prober hung up
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, HOST, 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], heads
        await asyncio.gather(*done)


def status(code, *headers):
    return lambda head: "\r\n".join([f"HTTP/1.1 {code} X", *headers, "", "body"]).encode()


@pytest.mark.parametrize(
    ("reply", "result", "text"),
    [
        pytest.param(status(200), Result.SUCCESS, "body", id="200"),
        pytest.param(status(399), Result.SUCCESS, "body", id="399"),
        pytest.param(
            status(400), Result.FAILURE, "HTTP probe failed with statuscode: 400", id="400"
        ),
        pytest.param(
            status(302, "Location: http://elsewhere.test/"),
            Result.SUCCESS,
            "body",
            id="redirect to another host",
        ),
        pytest.param(
            lambda head: status(500)(head) if "GET /next" in head else status(301, "Location: /next")(head),
            Result.FAILURE,
            "HTTP probe failed with statuscode: 500",
            id="redirect within the host",
        ),
    ],
)  # fmt: skip
async def test_http(reply, result, text):
    async with server(reply) as (port, _):
        assert Outcome(result, text) == await outcome({"httpGet": {"path": "/", "port": port}})


async def test_http_sends_what_the_probe_says():
    headers = [{"name": "Host", "value": "shop.test"}, {"name": "X-A", "value": "1"}]
    async with server(status(200)) as (port, heads):
        await outcome({"httpGet": {"path": "ok?deep=1", "port": port, "httpHeaders": headers}})
    assert heads[0].startswith("GET /ok?deep=1 HTTP/1.1\r\nUser-Agent: kube-probe/1.36\r\n")
    assert "Host: shop.test\r\nX-A: 1\r\n" in heads[0]
    assert heads[0].count("Host:") == 1


async def test_http_timeout():
    async with server(lambda head: None) as (port, _):
        found = await outcome({"timeoutSeconds": 1, "httpGet": {"path": "/", "port": port}})
    late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert Outcome(Result.FAILURE, f'Get "http://{HOST}:{port}/": {late}') == found


def free_port():
    with socket.socket() as one:
        one.bind((HOST, 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    ("action", "prefix"),
    [("httpGet", 'Get "http://{place}/": '), ("tcpSocket", "")],
    ids=["http", "tcp"],
)
async def test_refused(action, prefix):
    port = free_port()
    place = f"{HOST}:{port}"
    found = await outcome({action: {"port": port}})
    text = f"{prefix.format(place=place)}dial tcp {place}: connect: connection refused"
    assert Outcome(Result.FAILURE, text) == found


async def test_tcp():
    async with server(status(200)) as (port, _):
        assert Outcome(Result.SUCCESS) == await outcome({"tcpSocket": {"port": str(port)}})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(ExecResult(0, b"fine"), Outcome(Result.SUCCESS, "fine"), id="0"),
        pytest.param(ExecResult(3, b"bad"), Outcome(Result.FAILURE, "bad"), id="3"),
        pytest.param(
            ExecResult(None, b""),
            Outcome(Result.FAILURE, 'command timed out: "a b" timed out after 1s'),
            id="too slow",
        ),
        pytest.param(
            RuntimeFailure("gone"), Outcome(Result.UNKNOWN, "gone", is_error=True), id="no engine"
        ),
    ],
)
async def test_exec(answer, expected):
    assert expected == await outcome({"exec": {"command": ["a", "b"]}}, executor=Executor(answer))


async def test_a_port_that_is_not_there():
    expected = Outcome(Result.UNKNOWN, "couldn't find port: 'no'", is_error=True)
    assert expected == await outcome({"tcpSocket": {"port": "no"}})


@pytest.mark.parametrize(("port", "number"), [(80, 80), ("81", 81), ("web", 8080)])
def test_ports(port, number):
    assert number == port_number(port, CONTAINER)


def test_urls():
    action = HTTPGetAction.from_wire({"path": "x", "port": "web", "scheme": "HTTPS"})
    assert url_of(action, CONTAINER, "fd00::1") == "https://[fd00::1]:8080/x"


@pytest.mark.parametrize(
    ("service", "answer", "expected"),
    [
        pytest.param("", b"\x08\x01", Outcome(Result.SUCCESS, "service healthy"), id="serving"),
        pytest.param(
            "db",
            b"\x08\x02",
            Outcome(Result.FAILURE, 'service unhealthy (responded with "NOT_SERVING")'),
            id="not serving",
        ),
    ],
)
async def test_grpc(service, answer, expected):
    import grpc.aio

    asked = []

    async def check(request, context):
        asked.append(request)
        return answer

    one = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(check)
    one.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler}),)
    )
    port = one.add_insecure_port(f"{HOST}:0")
    await one.start()
    try:
        found = await outcome({"timeoutSeconds": 5, "grpc": {"port": port, "service": service}})
    finally:
        await one.stop(None)
    assert expected == found
    assert [b"" if not service else b"\x0a\x02db"] == asked
