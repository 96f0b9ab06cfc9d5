"""The small HTTP(S) server every daemon shows itself by: /healthz, /livez, /readyz, /metrics.

Plain asyncio: a scraper every few seconds does not deserve a web framework's memory. Not for
anything that takes a body. Who may ask is said by an `Admit`; without one everybody may ask how the
daemon is, and only callers on the same machine for its metrics. Texts as upstream's healthz package
writes them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from wherry.daemon.exposition import CONTENT_TYPE, metrics_page

log = logging.getLogger(__name__)

Check = Callable[[], str | None]  # None when well, else what is wrong
Refusal = tuple[int, str, bytes]  # status, content type, body

HEAD_BYTES_MAX = 16 * 1024
REQUEST_SECONDS_MAX = 10.0
CONNECTIONS_MAX = 32
_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 503: "Service Unavailable",
}  # fmt: skip
_HEALTH = ("healthz", "livez", "readyz", "health", "ready")
_SAME = {"health": "livez", "ready": "readyz"}  # as CoreDNS calls them


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as an `Admit` sees it. Header names are in lower case; `local`: from this machine."""

    method: str
    path: str
    headers: Mapping[str, str]
    certificate: Mapping[str, Any] | None = None
    local: bool = False


Admit = Callable[[Asked], Awaitable[Refusal | None]]


async def neighbours(asked: Asked) -> Refusal | None:
    """Health for everybody, the rest for callers on this machine."""
    if asked.local or asked.path.strip("/").partition("/")[0] in _HEALTH:
        return None
    return 403, "text/plain; charset=utf-8", b"Forbidden\n"


def answer(
    target: str,
    checks: Mapping[str, Check],
    registry: CollectorRegistry,
    ready_checks: Mapping[str, Check] | None = None,
) -> tuple[int, str, bytes]:
    """Status, content type and body for a GET of this target.

    `ready_checks` count for /readyz only: not being ready is no reason to be restarted.
    """
    path, _, query = target.partition("?")
    parts = [part for part in path.split("/") if part]
    if parts == ["metrics"]:
        return 200, CONTENT_TYPE, metrics_page(registry)
    if parts and parts[0] in _HEALTH:
        parts[0] = _SAME.get(parts[0], parts[0])
        if parts[0] == "readyz":
            checks = {**checks, **(ready_checks or {})}
        chosen = checks if len(parts) == 1 else {n: c for n, c in checks.items() if n == parts[1]}
        if len(parts) > 1 and parts[1] not in {"ping", *checks}:
            return 404, "text/plain; charset=utf-8", b"404 page not found\n"
        return _health(parts[0], chosen, "verbose" in query)
    return 404, "text/plain; charset=utf-8", b"404 page not found\n"


def _health(name: str, checks: Mapping[str, Check], verbose: bool) -> tuple[int, str, bytes]:
    lines = ["[+]ping ok"]
    well = True
    for check_name, check in checks.items():
        wrong = check()
        well = well and wrong is None
        lines.append(f"[+]{check_name} ok" if wrong is None else f"[-]{check_name} failed: {wrong}")
    if well and not verbose:
        return 200, "text/plain; charset=utf-8", b"ok"
    lines.append(f"{name} check {'passed' if well else 'failed'}\n")
    return (200 if well else 500), "text/plain; charset=utf-8", "\n".join(lines).encode()


async def serve_health(
    host: str,
    port: int,
    checks: Mapping[str, Check],
    registry: CollectorRegistry,
    ssl: tls.SSLContext | None = None,
    *,
    ready_checks: Mapping[str, Check] | None = None,
    admit: Admit = neighbours,
    on_listening: Callable[[int], None] | None = None,
) -> None:
    """Serve until cancelled. `on_listening` is told the port (asked for as 0 in tests)."""
    free = asyncio.Semaphore(CONNECTIONS_MAX)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if free.locked():
                return
            async with free, asyncio.timeout(REQUEST_SECONDS_MAX):
                await _exchange(
                    reader,
                    writer,
                    admit,
                    lambda target: answer(target, checks, registry, ready_checks),
                )
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("health connection ended early")
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host or None, port, ssl=ssl, limit=HEAD_BYTES_MAX)
    async with server:
        if on_listening is not None:
            on_listening(server.sockets[0].getsockname()[1])
        await server.serve_forever()


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    admit: Admit,
    answer_of: Callable[[str], tuple[int, str, bytes]],
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.split("\r\n")
    words = line.split(" ")
    if len(words) != 3:
        status, kind, body = 400, "text/plain", b"400 bad request\n"
    elif words[0] not in ("GET", "HEAD"):
        status, kind, body = 405, "text/plain", b"405 method not allowed\n"
    else:
        asked = _asked(words[0], words[1], fields, writer)
        status, kind, body = await admit(asked) or answer_of(words[1])
    reply = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Internal Server Error')}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    writer.write(reply.encode() + (b"" if words[0] == "HEAD" else body))
    await writer.drain()


def _asked(method: str, target: str, fields: list[str], writer: asyncio.StreamWriter) -> Asked:
    headers: dict[str, str] = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    tls = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if tls is not None else None
    peer, own = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
    # Whoever comes from the very address they speak to is on this machine.
    local = bool(peer) and bool(own) and peer[0] == own[0]
    return Asked(method, target.partition("?")[0], headers, certificate or None, local)
