"""Calling a node's kubelet: one connection per call, its answer's head read, its body left to stream.

Plain asyncio and HTTP/1.1: logs and exec are long streams of bytes that are passed on unread, so a
client library would only cost memory. Not for anything that needs a connection pool.

Source: kubernetes/pkg/kubelet/client.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apiserver.config import KubeletConfig
from wherry.api.errors import ApiError, status_error

PORT = 10250
CONNECT_SECONDS_MAX = 10.0
HEAD_SECONDS_MAX = 30.0
HEAD_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 64 * 1024
TEXT_BYTES_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a kubelet. `target` is path and query."""

    method: str
    target: str
    headers: Mapping[str, str]
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A kubelet's answer: its head as it came, and the connection its body comes from."""

    status: int
    head: bytes
    headers: Mapping[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body; the connection is closed when it ends or is not wanted any more."""
        try:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                async for chunk in _chunked(self.reader):
                    yield chunk
            else:
                left = int(self.headers.get("content-length", -1))
                while left:
                    chunk = await self.reader.read(
                        CHUNK_BYTES if left < 0 else min(left, CHUNK_BYTES)
                    )
                    if not chunk:
                        return
                    left = left - len(chunk) if left > 0 else left
                    yield chunk
        finally:
            self.close()

    async def text(self) -> str:
        """The body as text, as far as an error message needs it."""
        found = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEAD_SECONDS_MAX):
                async for chunk in self.chunks():
                    found += chunk
                    if len(found) >= TEXT_BYTES_MAX:
                        break
        return found[:TEXT_BYTES_MAX].decode("utf-8", "replace").rstrip("\n")

    def close(self) -> None:
        self.writer.close()


async def _chunked(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if not size:
            return
        while size:
            chunk = await reader.read(min(size, CHUNK_BYTES))
            if not chunk:
                raise ConnectionResetError("the kubelet's answer ended inside a chunk")
            size -= len(chunk)
            yield chunk
        await reader.readexactly(2)


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers (names in lower case) of an answer's head; ValueError when it is none."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not an HTTP/1 answer: {first!r}")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(status), headers


def address_of(node: Mapping[str, Any], types: tuple[str, ...]) -> tuple[str, int]:
    """Where a node's kubelet listens: its best address of the preferred types. ValueError: nowhere."""
    status = node.get("status", {})
    endpoint = status.get("daemonEndpoints", {}).get("kubeletEndpoint", {})
    port = endpoint.get("Port") or PORT
    by_type: dict[str, str] = {}
    for address in status.get("addresses", ()):
        by_type.setdefault(address["type"], address["address"])
    for wanted in types:
        if wanted in by_type:
            return by_type[wanted], port
    raise ValueError(f"no preferred addresses found; known addresses: {list(by_type.values())}")


class Kubelets:
    """Calls kubelets with this server's client certificate."""

    def __init__(self, config: KubeletConfig) -> None:
        self._config = config

    async def call(self, node: Mapping[str, Any], call: Call) -> Answer:
        """Send a request and read its answer's head; ApiError 500 when the kubelet can't be reached."""
        try:
            host, port = address_of(node, self._config.address_types)
        except ValueError as error:
            raise internal_error(str(error)) from error
        context = self._verified if call.verify else self._unverified
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                reader, writer = await asyncio.open_connection(
                    host, port, ssl=context, limit=HEAD_BYTES_MAX
                )
        except (OSError, TimeoutError) as error:
            why = str(error) or "i/o timeout"
            raise internal_error(f"error dialing backend: dial tcp {host}:{port}: {why}") from error
        try:
            return await self._exchange(f"{host}:{port}", call, reader, writer)
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as error:
            writer.close()
            raise internal_error(f"error reading from {host}:{port}: {error}") from error
        except BaseException:
            writer.close()
            raise

    async def _exchange(
        self, host: str, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Answer:
        lines = [f"{call.method} {call.target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in call.headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        async with asyncio.timeout(HEAD_SECONDS_MAX):
            head = await reader.readuntil(b"\r\n\r\n")
        status, headers = parse_head(head)
        return Answer(status, head, headers, reader, writer)

    @cached_property
    def _verified(self) -> ssl.SSLContext:
        """Checks kubelets' certificates when an authority was given, as upstream does."""
        authority = self._config.certificate_authority
        if authority is None:
            return self._unverified
        context = ssl.create_default_context(cafile=str(authority))
        self._identify(context)
        return context

    @cached_property
    def _unverified(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._identify(context)
        return context

    def _identify(self, context: ssl.SSLContext) -> None:
        certificate, key = self._config.client_certificate, self._config.client_key
        if certificate is not None:
            context.load_cert_chain(certificate, key)


def internal_error(why: str) -> ApiError:
    message = f"Internal error occurred: {why}"
    details = {"causes": [{"message": why}]}
    return status_error("InternalError", message, details=details)
