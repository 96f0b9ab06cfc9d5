"""`wherry-dns` beside a real API server: it publishes itself, follows Services, leaves cleanly."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from nameserver.publish import Publication
from wherry.api.core_v1 import Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.client.kubeconfig import load
from wherry.client.rest import ApiError, Client

HOST = "127.0.0.1"
DEADLINE_SECONDS = 60.0
T = TypeVar("T")


async def eventually(probe: Callable[[], Awaitable[T | None]]) -> T:
    """What the probe finds, once it finds something."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (found := await probe()) is None:
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.05)
    return found


@pytest.fixture
async def client(apiserver) -> AsyncIterator[Client]:
    async with Client(load(apiserver.kubeconfig)) as one:
        yield one


@pytest.fixture
def server(apiserver, tmp_path):
    log = (tmp_path / "dns.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "nameserver.main", f"--kubeconfig={apiserver.kubeconfig}",
         f"--bind-address={HOST}", "--port=0", "--health-port=0", "--cluster-dns=10.96.0.10",
         "--advertise-address=192.0.2.5", "--upstream=127.0.0.1:9"],
        stdout=log, stderr=log,
    )  # fmt: skip
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()
    log.close()


async def slice_of(client: Client) -> EndpointSlice | None:
    try:
        return await client.get(EndpointSlice, "kube-dns-192-0-2-5", "kube-system")
    except ApiError as error:
        if error.code != 404:
            raise
        return None


async def test_the_life_of_a_name(client: Client, server) -> None:
    published = await eventually(lambda: slice_of(client))
    port = published.ports[0].port
    service = await client.get(Service, "kube-dns", "kube-system")
    assert service.spec.cluster_ip == "10.96.0.10"
    assert service.spec.ports[0].target_port == port

    async def ask(name: str) -> dns.message.Message:
        query = dns.message.make_query(f"{name}.svc.cluster.local.", "A")
        return await dns.asyncquery.udp(query, HOST, timeout=20, port=port)

    async def address(name: str) -> str | None:
        reply = await ask(name)
        return reply.answer[0][0].to_text() if reply.answer else None

    assert await eventually(lambda: address("kube-dns.kube-system")) == "10.96.0.10"
    web = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}},
    }
    made = await client.create(Service.from_wire(web))
    assert await eventually(lambda: address("web.default")) == made.spec.cluster_ip
    await client.delete(Service, "web", "default")

    async def gone() -> bool | None:
        return (await ask("web.default")).rcode() == dns.rcode.NXDOMAIN or None

    assert await eventually(gone)

    # There is another server: clients are led away first, and answered meanwhile.
    await client.create(*Publication(("10.96.0.10",), ("192.0.2.6",), 53).slices())
    await eventually(lambda: address("kubernetes.default"))
    server.send_signal(signal.SIGTERM)

    async def led_away() -> bool | None:
        return await slice_of(client) is None or None

    assert await eventually(led_away)
    assert await address("kubernetes.default") == "10.96.0.1"
    assert server.wait(10) == 0


def test_bad_flags(tmp_path) -> None:
    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nameserver.main", *flags]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    missing = run(f"--kubeconfig={tmp_path}/none")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    nowhere = run("--master=http://127.0.0.1:9", "--cluster-dns=10.96.0.10")
    assert nowhere.returncode == 1
    assert "--advertise-address" in nowhere.stderr
    assert run("--no-such-flag").returncode == 2
