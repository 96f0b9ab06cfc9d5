"""Short calls: connections are kept, bodies read to their end, dead connections replaced."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from kubelet.runtime.docker import DockerRuntime
from kubelet.runtime.engine_calls import EngineCalls
from kubelet.runtime.protocol import NotFound, RuntimeFailure, RuntimeUnavailable

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}'
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\nTrailer: t\r\n\r\n'
)
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}'
BROKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n{"
MISSING = b'HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{"message":"gone"}'
FAILED = b'HTTP/1.1 500 Server Error\r\nContent-Length: 18\r\n\r\n{"message":"oops"}'


class Engine:
    """Answers each request with the next of `answers`; "" hangs up after it."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.connections = 0
        self.requests = []

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head.split(b" HTTP")[0].decode())
                await reader.readexactly(length)
                answer = self.answers.pop(0)
                writer.write(answer)
                await writer.drain()
                if answer in (CLOSING, BROKEN):
                    return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def calls_to(engine, path):
    server = await asyncio.start_unix_server(engine.serve, path / "s")
    calls = EngineCalls(str(path / "s"), "1.41")
    try:
        yield calls
    finally:
        calls.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("answers", "found", "connections"),
    [
        ([SIZED, SIZED], [{"a": 1}, {"a": 1}], 1),
        ([CHUNKED, EMPTY, SIZED], [{"a": 1}, None, {"a": 1}], 1),
        ([CLOSING, SIZED], [{"a": 1}, {"a": 1}], 2),
    ],
    ids=["sized", "chunked-and-empty", "closing"],
)
async def test_answers(tmp_path, answers, found, connections):
    engine = Engine(*answers)
    async with calls_to(engine, tmp_path) as calls:
        assert [await calls.call("GET", "/x", {"q": "a b"}) for _ in answers] == found
    assert engine.connections == connections
    assert engine.requests[0] == "GET /v1.41/x?q=a+b"


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (MISSING, NotFound, "gone"),
        (FAILED, RuntimeFailure, "oops"),
        (BROKEN, RuntimeUnavailable, "no answer"),
    ],
    ids=["missing", "failed", "broken"],
)
async def test_refusals(tmp_path, answer, error, text):
    async with calls_to(Engine(answer, SIZED), tmp_path) as calls:
        with pytest.raises(error, match=text):
            await calls.call("POST", "/x", body={"b": 2})
        assert await calls.call("GET", "/x") == {"a": 1}


async def test_at_the_same_time(tmp_path):
    engine = Engine(*[SIZED] * 30)
    async with calls_to(engine, tmp_path) as calls:
        found = await asyncio.gather(*(calls.call("GET", "/x") for _ in range(30)))
    assert found == [{"a": 1}] * 30
    assert engine.connections <= 8


async def test_no_engine(tmp_path):
    with pytest.raises(RuntimeUnavailable):
        await EngineCalls(str(tmp_path / "none"), "1.41").call("GET", "/x")


@pytest.mark.parametrize(("least", "spoken"), [("1.24", "1.41"), ("1.44", "1.44"), ("", "1.41")])
async def test_a_version_that_the_engine_takes_is_spoken(tmp_path, least, spoken):
    said = f'{{"Version":"29.0","ApiVersion":"1.52","MinAPIVersion":"{least}"}}'.encode()
    version = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
    engine = Engine(version, SIZED)
    server = await asyncio.start_unix_server(engine.serve, tmp_path / "s")
    runtime = DockerRuntime(str(tmp_path / "s"), "n")
    await runtime.info()
    await runtime.close()
    server.close()
    await server.wait_closed()
    assert engine.requests == ["GET /version", f"GET /v{spoken}/info"]
