"""Calling a node's kubelet with this server's certificate.

Source: kubernetes/pkg/kubelet/client.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from apiserver.config import KubeletConfig
from apiserver.http.backend import HEAD_BYTES_MAX, Answer, Ask, BrokenAnswer, Streams, exchange
from wherry.api.errors import ApiError, status_error
from wherry.daemon.tls import FollowedContext

PORT = 10250
CONNECT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a kubelet. `target` is path and query."""

    method: str
    target: str
    headers: Mapping[str, str]
    verify: bool = True


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
        host = self.host_of(node)
        streams = await self.connect(node, verify=call.verify)
        headers = [("Host", host), *call.headers.items()]
        try:
            return await exchange(streams, Ask(call.method, call.target, headers))
        except BrokenAnswer as error:
            raise internal_error(f"error reading from {host}: {error}") from error

    def host_of(self, node: Mapping[str, Any]) -> str:
        """The kubelet's `host:port`; ApiError 500 when the node says none."""
        try:
            host, port = address_of(node, self._config.address_types)
        except ValueError as error:
            raise internal_error(str(error)) from error
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def connect(self, node: Mapping[str, Any], *, verify: bool = True) -> Streams:
        """A TLS connection to the kubelet; ApiError 500 when there is none."""
        host, _, port = self.host_of(node).rpartition(":")
        context = (self._verified if verify else self._unverified).current()
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                return await asyncio.open_connection(
                    host.strip("[]"), int(port), ssl=context, limit=HEAD_BYTES_MAX
                )
        except (OSError, TimeoutError) as error:
            why = str(error) or "i/o timeout"
            raise internal_error(f"error dialing backend: dial tcp {host}:{port}: {why}") from error

    @cached_property
    def _verified(self) -> FollowedContext:
        """Checks kubelets' certificates when an authority was given, as upstream does."""
        authority = self._config.certificate_authority
        if authority is None:
            return self._unverified
        cafile = str(authority)
        return self._followed(authority, lambda: ssl.create_default_context(cafile=cafile))

    @cached_property
    def _unverified(self) -> FollowedContext:
        return self._followed(None, _trusting)

    def _followed(
        self, authority: Path | None, make: Callable[[], ssl.SSLContext]
    ) -> FollowedContext:
        """With this server's certificate; new files are taken up for the next connection."""
        certificate, key = self._config.client_certificate, self._config.client_key

        def whole() -> ssl.SSLContext:
            context = make()
            if certificate is not None:
                context.load_cert_chain(certificate, key)
            return context

        files = [path for path in (authority, certificate, key) if path is not None]
        return FollowedContext(files, whole)


def _trusting() -> ssl.SSLContext:
    """Takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def internal_error(why: str) -> ApiError:
    message = f"Internal error occurred: {why}"
    details = {"causes": [{"message": why}]}
    return status_error("InternalError", message, details=details)
