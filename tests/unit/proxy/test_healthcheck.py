"""What load balancers and supervisors are told."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime

from proxy.healthcheck import HealthChecks, answer, proxy_answer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_service_is_well_where_it_has_endpoints() -> None:
    status, body = answer("default/web", 2, healthy=True)
    assert status == 200
    assert json.loads(body) == {
        "service": {"namespace": "default", "name": "web"},
        "localEndpoints": 2,
        "serviceProxyHealthy": True,
    }
    assert answer("default/web", 0, healthy=True)[0] == 503
    assert answer("default/web", 2, healthy=False)[0] == 503


def test_the_proxy_is_unwell_when_late_or_leaving() -> None:
    assert proxy_answer(None, eligible=True, updated=NOW, now=NOW)[0] == 200
    assert proxy_answer("late", eligible=True, updated=NOW, now=NOW)[0] == 503
    status, body = proxy_answer(None, eligible=False, updated=None, now=NOW)
    assert status == 503
    assert json.loads(body)["nodeEligible"] is False


async def ask(port: int) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return head, body


async def test_servers_come_and_go() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    said: list[str] = []
    checks = HealthChecks(lambda: True, lambda key, words: said.append(f"{key}: {words}"))
    try:
        await checks.update({"default/web": (port, 1)})
        head, body = await ask(port)
        assert head.startswith("HTTP/1.1 200 OK")
        assert "X-Load-Balancing-Endpoint-Weight: 1" in head
        assert json.loads(body)["localEndpoints"] == 1
        await checks.update({"default/web": (port, 0)})
        assert (await ask(port))[0].startswith("HTTP/1.1 503")
        await checks.update({"default/other": (port, 1)})
        assert "default/other" in said[0]
        assert str(port) in said[0]
        await checks.update({"default/web": None})
        assert json.loads((await ask(port))[1])["service"]["name"] == "other", "it waited for that"
        await checks.update({"default/heir": (port, 1), "default/other": None})
        assert json.loads((await ask(port))[1])["service"]["name"] == "heir"
        assert len(said) == 1
    finally:
        await checks.close()
