"""healthCheckNodePort: tells load balancers whether this node has endpoints of a Service.

One small server per Service of type LoadBalancer with `externalTrafficPolicy: Local`. Source:
pkg/proxy/healthcheck/{service_health,proxy_health}.go of upstream.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from wherry.client.store import split_key

log = logging.getLogger(__name__)

REQUEST_BYTES_MAX: Final = 8192
REQUEST_SECONDS_MAX: Final = 5.0
_REASONS: Final = {200: "OK", 503: "Service Unavailable"}


class Wanted(NamedTuple):
    port: int
    endpoints: int


def answer(key: str, endpoints: int, *, healthy: bool) -> tuple[int, str]:
    """Status and body for whoever asks about this Service."""
    namespace, name = split_key(key)
    body = {
        "service": {"namespace": namespace, "name": name},
        "localEndpoints": endpoints,
        "serviceProxyHealthy": healthy,
    }
    return (200 if endpoints and healthy else 503), json.dumps(body)


def proxy_answer(
    wrong: str | None, *, eligible: bool, updated: datetime | None, now: datetime
) -> tuple[int, str]:
    """Status and body of the proxy's own /healthz. eligible: the node is not being removed."""
    body = {
        "lastUpdated": _text(updated),
        "currentTime": _text(now),
        "nodeEligible": eligible,
    }
    return (200 if wrong is None and eligible else 503), json.dumps(body)


def _text(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC") if moment else ""


class HealthChecks:
    """The servers. `say(key, words)` tells people that a port could not be had."""

    def __init__(self, healthy: Callable[[], bool], say: Callable[[str, str], None]) -> None:
        self._healthy = healthy
        self._say = say
        self._wanted: dict[str, Wanted] = {}
        self._servers: dict[str, tuple[int, asyncio.Server]] = {}

    async def update(self, changes: Mapping[str, tuple[int, int] | None]) -> None:
        """Start, change and stop what these Services ask for; try again what could not be had."""
        for key, change in changes.items():
            if change is None:
                self._wanted.pop(key, None)
            else:
                self._wanted[key] = Wanted(*change)
        # First what ends: another Service may have got its port.
        for key, (port, _) in list(self._servers.items()):
            if key not in self._wanted or self._wanted[key].port != port:
                await self._stop(key)
        for key, wanted in self._wanted.items():
            if key not in self._servers:
                await self._start(key, wanted.port)

    async def close(self) -> None:
        for key in list(self._servers):
            await self._stop(key)

    async def _start(self, key: str, port: int) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                async with asyncio.timeout(REQUEST_SECONDS_MAX):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._reply(key))
                    await writer.drain()
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                log.debug("a health check of %s ended early", key)
            finally:
                writer.close()

        try:
            server = await asyncio.start_server(serve, None, port, limit=REQUEST_BYTES_MAX)
        except OSError as error:
            self._say(key, f"failed to start healthcheck {key!r} on port {port}: {error.strerror}")
            return
        self._servers[key] = (port, server)

    async def _stop(self, key: str) -> None:
        held = self._servers.pop(key, None)
        if held is not None:
            held[1].close()

    def _reply(self, key: str) -> bytes:
        wanted = self._wanted.get(key, Wanted(0, 0))
        status, body = answer(key, wanted.endpoints, healthy=self._healthy())
        return (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"X-Content-Type-Options: nosniff\r\n"
            f"X-Load-Balancing-Endpoint-Weight: {wanted.endpoints}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        ).encode()
