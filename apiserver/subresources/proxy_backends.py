"""Connections to what a proxied request is for: a pod's port, a node's kubelet or another port of it.

Pods are reached through their node's kubelet (`pod_ports.py`), so this server needs no route to them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apiserver.http.backend import HEAD_BYTES_MAX, Streams
from apiserver.registry.store import Registry
from apiserver.subresources.kubelets import CONNECT_SECONDS_MAX, Kubelets
from apiserver.subresources.pod_ports import Carrier, PodPort, PodPorts
from apiserver.subresources.proxy_target import (
    Wanted,
    check_address,
    host_and_port,
    pod_port,
    port_of_node,
)
from wherry.api.errors import bad_request
from wherry.api.scheme import BY_PLURAL

NODES = BY_PLURAL["", "v1", "nodes"]

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Backend:
    """An open connection, the host on its far side, and who knows why it broke."""

    streams: Streams
    host: str
    carrier: Carrier | None = None

    def why(self, error: Exception) -> str:
        told = self.carrier.failure if self.carrier is not None else ""
        return told or str(error)


class Backends:
    """Connects. OSError when nobody answers, ApiError when it can't be what was meant."""

    def __init__(self, registry: Registry, kubelets: Kubelets) -> None:
        self._registry = registry
        self._kubelets = kubelets
        self._ports = PodPorts(kubelets)

    async def pod(self, pod: Tree, wanted: Wanted) -> Backend:
        metadata, port = pod["metadata"], pod_port(pod, wanted)
        address = pod.get("status", {}).get("podIP", "")
        check_address(address)
        node_name = pod["spec"].get("nodeName")
        if not node_name:
            raise bad_request(f"pod {metadata['name']} does not have a host assigned")
        node = self._registry.get(NODES, "", node_name)
        to = PodPort(node, metadata["namespace"], metadata["name"], port)
        tls = self._trusting if wanted.is_tls else None
        streams, carrier = await self._ports.connect(to, tls)
        return Backend(streams, host_and_port(address, port), carrier)

    async def node(self, node: Tree, wanted: Wanted) -> Backend:
        kubelet = self._kubelets.host_of(node)
        host, _, kubelet_port = kubelet.rpartition(":")
        if wanted.port in ("", kubelet_port):
            return Backend(await self._kubelets.connect(node), kubelet)
        address, port = host.strip("[]"), port_of_node(wanted)
        check_address(address)
        tls = self._trusting if wanted.is_tls else None
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            streams = await asyncio.open_connection(address, port, ssl=tls, limit=HEAD_BYTES_MAX)
        return Backend(streams, host_and_port(address, port))

    @cached_property
    def _trusting(self) -> ssl.SSLContext:
        """Trusts whatever certificate a pod shows, and shows none of ours, as upstream."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
