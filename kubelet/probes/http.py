"""An HTTP GET as small as a probe needs: status, headers and the first piece of the body.

One connection per probe, no pooling, no verification of certificates (the address is a pod's).
Errors are worded as upstream's (Go's) client words them, as they end up in people's events.

Source: upstream's pkg/probe/http.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from kubelet.probes.state import Outcome, Result

REDIRECTS_MAX = 10
BODY_BYTES_MAX = 10 * 1024
HEADER_LINES_MAX = 200
DEFAULT_HEADERS = {"User-Agent": "kube-probe/1.36", "Accept": "*/*"}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: str


class BadAnswer(Exception):
    """What came back is not HTTP."""


async def probe(url: str, headers: Mapping[str, str], timeout: float) -> Outcome:
    """GET with upstream's judgement: 2xx and 3xx are good; redirects within the host are followed."""
    try:
        async with asyncio.timeout(timeout):
            answer = await _follow(url, headers)
    except TimeoutError:
        late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Outcome(Result.FAILURE, f'Get "{url}": {late}')
    except (OSError, BadAnswer) as error:
        return Outcome(Result.FAILURE, f'Get "{url}": {describe(error, url)}')
    if 200 <= answer.status < 400:
        return Outcome(Result.SUCCESS, answer.body)
    return Outcome(Result.FAILURE, f"HTTP probe failed with statuscode: {answer.status}")


async def get(url: str, headers: Mapping[str, str], timeout: float) -> Answer:
    """What is answered, whatever it is, redirects followed as by `probe`; OSError (also when it takes too
    long) or BadAnswer when nothing is."""
    async with asyncio.timeout(timeout):
        return await _follow(url, headers)


def describe(error: Exception, url: str) -> str:
    """An error as Go says it."""
    place = urlsplit(url)
    address = f"{place.hostname}:{place.port}"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return f"read tcp {address}: read: connection reset by peer"
    if isinstance(error, asyncio.IncompleteReadError):
        return "EOF"
    if isinstance(error, OSError) and error.strerror:
        return f"dial tcp {address}: connect: {error.strerror.lower()}"
    return str(error)


async def _follow(url: str, headers: Mapping[str, str]) -> Answer:
    for _ in range(REDIRECTS_MAX + 1):
        answer = await _get(url, headers)
        target = answer.headers.get("location")
        if answer.status not in (301, 302, 303, 307, 308) or not target:
            return answer
        following = urljoin(url, target)
        if urlsplit(following).hostname != urlsplit(url).hostname:
            return answer  # another host's health is not this container's
        url = following
    raise BadAnswer(f"stopped after {REDIRECTS_MAX} redirects")


async def _get(url: str, headers: Mapping[str, str]) -> Answer:
    place = urlsplit(url)
    secure = place.scheme == "https"
    port = place.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(
        place.hostname, port, ssl=_unverified() if secure else None
    )
    try:
        writer.write(_request(url, headers))
        await writer.drain()
        return await _read(reader)
    finally:
        writer.transport.abort()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(url: str, headers: Mapping[str, str]) -> bytes:
    place = urlsplit(url)
    named = {name.lower() for name in headers}
    lines = [f"GET {place.path or '/'}{'?' + place.query if place.query else ''} HTTP/1.1"]
    if "host" not in named:
        lines.append(f"Host: {place.netloc}")
    defaults = {k: v for k, v in DEFAULT_HEADERS.items() if k.lower() not in named}
    for name, value in {**defaults, **headers}.items():
        if value or name.lower() not in ("accept", "user-agent"):
            lines.append(f"{name}: {value}")
    lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _read(reader: asyncio.StreamReader) -> Answer:
    first = (await reader.readline()).decode("latin-1")
    if not first:
        raise BadAnswer("EOF")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].strip().isdigit():
        start = first.rstrip("\r\n")[:100]
        raise BadAnswer(f'net/http: HTTP/1.x transport connection broken: malformed "{start}"')
    found: dict[str, str] = {}
    for _ in range(HEADER_LINES_MAX):
        line = (await reader.readline()).decode("latin-1").rstrip("\r\n")
        if not line:
            break
        name, _, value = line.partition(":")
        found[name.strip().lower()] = value.strip()
    wanted = BODY_BYTES_MAX
    if found.get("content-length", "").isdigit():
        wanted = min(wanted, int(found["content-length"]))
    body = bytearray()
    while len(body) < wanted and (piece := await reader.read(wanted - len(body))):
        body += piece
    return Answer(int(words[1]), found, body.decode("utf-8", errors="replace"))
