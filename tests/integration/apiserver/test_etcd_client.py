"""Our gRPC client against a real etcd: load, loss, silence, certificates; and against bad peers."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from apiserver.storage.etcd import EtcdStorage, EtcdTls
from apiserver.storage.etcd import connection as connection_module
from apiserver.storage.etcd import frames as h2
from apiserver.storage.etcd import storage as storage_module
from apiserver.storage.etcd.calls import CallFailed, Code
from apiserver.storage.etcd.connection import Connection
from apiserver.storage.etcd.endpoint import Endpoint, Method
from apiserver.storage.interface import OutcomeUnknown, StorageError, StorageUnavailable
from deploy import pki
from tests.integration.conftest import Etcd, free_port, running_etcd

RANGE = Method("/etcdserverpb.KV/Range", 5.0)
HERE = ["127.0.0.1", "localhost"]


@asynccontextmanager
async def opened(*urls: str, **more: Any) -> AsyncIterator[EtcdStorage]:
    storage = EtcdStorage(list(urls), **more)
    try:
        yield storage
    finally:
        await storage.close()


async def until(check: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


async def test_many_calls_of_one_turn_are_one_write(etcd: Etcd) -> None:
    async with opened(etcd.url) as storage:
        await storage.revision()
        connection = storage._endpoints[0]._connection
        assert connection is not None
        transport: Any = connection._transport
        writes: list[int] = []

        class Counting:
            def write(self, data: bytes) -> None:
                writes.append(len(data))
                transport.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

        connection._transport = Counting()  # type: ignore[assignment]
        revisions = await asyncio.gather(*(storage.create(b"/%d" % n, b"v") for n in range(200)))
        assert len(set(revisions)) == 200
        assert len(writes) < 40
        assert sum(size > 150 * 60 for size in writes) == 1


async def test_values_above_every_window(etcd: Etcd) -> None:
    """Requests wait for etcd's windows; an answer of 30 MB comes through ours of 16."""
    async with opened(etcd.url) as storage:
        values = {b"/big/%02d" % n: bytes([n]) * 1_400_000 for n in range(22)}
        for batch in range(0, 22, 4):
            keys = sorted(values)[batch : batch + 4]
            await asyncio.gather(*(storage.create(key, values[key]) for key in keys))
        page = await storage.range(b"/big/", b"/big0")
        assert {entry.key: entry.value for entry in page.entries} == values
        seen: dict[bytes, bytes | None] = {}
        async for changes in storage.watch(after=1):
            seen |= {change.key: change.value for change in changes}
            if len(seen) == len(values):
                break
        assert seen == values


async def test_etcd_is_killed_and_started_amid_load(etcd: Etcd) -> None:
    """What was acknowledged is there, what was refused is not, what is unknown may be either."""
    done: set[bytes] = set()
    refused: set[bytes] = set()
    unknown: set[bytes] = set()
    running = True
    async with opened(etcd.url) as storage:

        async def write(writer: int) -> None:
            count = 0
            while running:
                count += 1
                key = b"/load/%d/%d" % (writer, count)
                try:
                    await storage.create(key, b"v")
                    done.add(key)
                except OutcomeUnknown:
                    unknown.add(key)
                except StorageUnavailable:
                    refused.add(key)

        async with asyncio.TaskGroup() as group:
            for writer in range(16):
                group.create_task(write(writer))
            for _ in range(3):
                wanted = len(done) + 500
                await until(lambda wanted=wanted: len(done) >= wanted)  # type: ignore[misc]
                etcd.kill()
                await asyncio.to_thread(etcd.start)
            wanted = len(done) + 500
            await until(lambda: len(done) >= wanted)
            running = False
        page = await storage.range(b"/load/", b"/load0")
    found = {entry.key for entry in page.entries}
    assert done <= found
    assert not refused & found
    assert found <= done | unknown
    assert unknown  # those that were under way


async def test_a_graceful_end_is_told_apart(etcd: Etcd) -> None:
    """SIGTERM: etcd says goodbye, ends the watch, and later calls say that nothing was sent."""
    async with opened(etcd.url) as storage:
        first = await storage.create(b"/a", b"1")
        watch = storage.watch(after=0)
        assert await anext(watch)
        etcd.signal(signal.SIGTERM)
        with pytest.raises(StorageUnavailable):
            async with asyncio.timeout(60):
                await anext(watch)
        assert etcd.process is not None
        await asyncio.to_thread(etcd.process.wait, 10)
        await asyncio.to_thread(etcd.start)
        assert await storage.update(b"/a", b"2", expected=first) == first + 1


async def test_deadlines(etcd: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_RANGE", "_TXN"):
        quick = Method(getattr(storage_module, name).path, 0.3)
        monkeypatch.setattr(storage_module, name, quick)
    async with opened(etcd.url) as storage:
        await storage.revision()
        etcd.pause()
        started = time.monotonic()
        outcomes = await asyncio.gather(
            storage.create(b"/a", b"1"), storage.revision(), return_exceptions=True
        )
        assert 0.25 < time.monotonic() - started < 3
        assert [type(one) for one in outcomes] == [OutcomeUnknown, StorageUnavailable]
        etcd.resume()
        await until_answers(storage)


async def until_answers(storage: EtcdStorage) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await storage.revision()
            except StorageError:
                continue
            return


@pytest.fixture
def pinged_etcd() -> Iterator[Etcd]:
    """An etcd that takes pings as often as they come."""
    with running_etcd("--grpc-keepalive-min-time=100ms") as etcd:
        yield etcd


async def test_pings_that_come_too_often_are_refused_and_said_so(
    etcd: Etcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "PING_SECONDS", 0.1)
    monkeypatch.setattr(connection_module, "PONG_SECONDS", 0.1)
    async with opened(etcd.url) as storage:
        await storage.create(b"/a", b"1")
        watch = storage.watch(after=0)
        assert await anext(watch)
        with pytest.raises(StorageUnavailable, match="too_many_pings"):
            async with asyncio.timeout(60):
                await anext(watch)


async def test_a_silent_peer_is_given_up(
    pinged_etcd: Etcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd = pinged_etcd
    monkeypatch.setattr(connection_module, "PING_SECONDS", 0.3)
    monkeypatch.setattr(connection_module, "PONG_SECONDS", 1.0)
    async with opened(etcd.url) as storage:
        await storage.create(b"/a", b"1")
        watch = storage.watch(after=0)
        assert await anext(watch)
        quiet = asyncio.ensure_future(anext(watch))
        await asyncio.wait([quiet], timeout=2.5)
        assert not quiet.done()  # a peer that answers pings may say nothing
        etcd.pause()
        with pytest.raises(StorageUnavailable, match="silent"):
            async with asyncio.timeout(60):
                await quiet
        etcd.resume()
        await until_answers(storage)


async def test_a_cancelled_call_leaves_nothing_behind(etcd: Etcd) -> None:
    async with opened(etcd.url) as storage:
        await storage.revision()
        etcd.pause()
        calls = [asyncio.ensure_future(storage.create(b"/%d" % n, b"v")) for n in range(5)]
        await asyncio.sleep(0)
        connection = storage._endpoints[0]._connection
        assert connection is not None
        await until(lambda: len(connection._session.streams) == 5)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert not connection._session.streams
        etcd.resume()
        assert await storage.revision()


async def test_renewed_certificates_are_used_at_the_next_connection(tmp_path: Path) -> None:
    authority = pki.ensure_authority(tmp_path)
    server = pki.ensure_certificate(authority, tmp_path, "server", "etcd", (), HERE)
    good = pki.ensure_certificate(authority, tmp_path, "good", "apiserver")
    (tmp_path / "other").mkdir()
    stranger = pki.ensure_authority(tmp_path / "other")
    bad = pki.ensure_certificate(stranger, tmp_path / "other", "bad", "apiserver")
    for source, name in ((bad.certificate, "client.crt"), (bad.key, "client.key")):
        shutil.copy(source, tmp_path / name)
    flags = (
        f"--cert-file={server.certificate}", f"--key-file={server.key}", "--client-cert-auth",
        f"--trusted-ca-file={authority.path}",
    )  # fmt: skip
    etcd = SecureEtcd(tmp_path, free_port(), free_port(), flags=flags)
    etcd.launch()
    tls = EtcdTls(str(authority.path), str(tmp_path / "client.crt"), str(tmp_path / "client.key"))
    try:
        async with opened(etcd.url, tls=tls) as storage:
            with pytest.raises(StorageUnavailable):
                await storage.revision()
            for source, name in ((good.certificate, "client.crt"), (good.key, "client.key")):
                shutil.copy(source, tmp_path / name)
            async with asyncio.timeout(60):
                await until_answers(storage)
            # Together far larger than etcd's first window.
            calls = [storage.create(b"/%d" % n, b"x" * 5_000) for n in range(600)]
            assert len(set(await asyncio.gather(*calls))) == 600
            page = await storage.range(b"/", b"0")
            assert sum(len(entry.value) for entry in page.entries) == 600 * 5_000
        async with opened(etcd.url) as storage:  # our authority is not the system's
            with pytest.raises(StorageUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await storage.revision()
    finally:
        etcd.kill()


class SecureEtcd(Etcd):
    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


# --- peers that are no etcd ---


class Scripted(asyncio.Protocol):
    """Says what it is told to when somebody comes, and again after each piece it hears."""

    def __init__(self, says: list[bytes]) -> None:
        self._says = list(says)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        if self._says:
            self._transport.write(self._says.pop(0))


@asynccontextmanager
async def scripted(*says: bytes) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Scripted(list(says)), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def failure_of(url: str, *, patient: bool = False) -> CallFailed:
    endpoint = Endpoint(url, EtcdTls(), patient=patient)
    try:
        await endpoint.call(RANGE, b"")
    except CallFailed as failed:
        return failed
    finally:
        await endpoint.close()
    raise AssertionError("it answered")


async def test_nobody_listens() -> None:
    failed = await failure_of(f"127.0.0.1:{free_port()}")
    assert (failed.code, failed.begun) == (Code.UNAVAILABLE, False)


async def test_a_peer_that_speaks_something_else() -> None:
    async with scripted(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        failed = await failure_of(url)
    assert "HTTP/2" in failed.text
    assert not failed.begun


async def test_a_peer_that_goes_away_is_not_asked() -> None:
    """GOAWAY naming no stream: what was sent has not happened, and the next call connects anew."""
    goaway = h2.frame(h2.GOAWAY, 0, 0, bytes(8))
    async with scripted(h2.settings({}), b"", goaway) as url:
        failed = await failure_of(url)
    assert (failed.code, failed.begun) == (Code.UNAVAILABLE, False)


async def test_a_peer_that_breaks_off_leaves_it_unknown() -> None:
    nonsense = h2.frame(h2.PING, 0, 0, b"short")
    async with scripted(h2.settings({}), b"", nonsense) as url:
        failed = await failure_of(url)
    assert (failed.code, failed.begun) == (Code.UNAVAILABLE, True)
    assert "a ping of 5 bytes" in failed.text


async def test_a_peer_that_never_introduces_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.storage.etcd.endpoint.CONNECT_SECONDS_MAX", 0.2)
    async with scripted(b"") as url:
        failed = await failure_of(url)
    assert not failed.begun


async def test_connection_lost_before_it_was_used() -> None:
    connection = Connection()
    connection.connection_lost(ConnectionResetError("gone"))
    assert await connection.opened == "gone"
    assert not connection.usable
