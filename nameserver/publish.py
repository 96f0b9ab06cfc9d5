"""How pods find this server: Service `kube-system/kube-dns` and an EndpointSlice that names us.

The Service has the cluster's DNS address and no selector, so nobody else fills its slices; each
server keeps one of its own (one a family), named after its address. A server that dies without a word
is noticed by the others (`replicas.py`). A Service with a selector is somebody else's
DNS (CoreDNS, say): then nothing is touched. What we want is a pure function of the flags.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from wherry.api.core_v1 import Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.api.errors import ApiError
from wherry.client.rest import Client
from wherry.client.transport import ApiUnavailable
from wherry.daemon.backoff import Backoff

log = logging.getLogger(__name__)

NAMESPACE: Final = "kube-system"
NAME: Final = "kube-dns"
MANAGER: Final = "wherry-dns"
CHECK_SECONDS: Final = 30.0
FAREWELL_SECONDS: Final = 2.0
# How long a server that has said good-bye still answers: all nodes' proxies have to hear of it.
LAME_DUCK_SECONDS: Final = 2.0
_PORTS: Final = (("dns", "UDP"), ("dns-tcp", "TCP"))


@dataclass(frozen=True, slots=True)
class Publication:
    """Where clients ask (`cluster_ips`, port 53) and where we answer; of each at most one a family."""

    cluster_ips: tuple[str, ...]
    addresses: tuple[str, ...]
    port: int

    def service(self) -> Service:
        return Service.from_wire(
            {
                "metadata": {
                    "name": NAME,
                    "namespace": NAMESPACE,
                    "labels": {
                        "k8s-app": NAME,
                        "kubernetes.io/cluster-service": "true",
                        "kubernetes.io/name": "Wherry-DNS",
                    },
                },
                "spec": {
                    "clusterIP": self.cluster_ips[0],
                    "clusterIPs": list(self.cluster_ips),
                    "ipFamilyPolicy": "RequireDualStack"
                    if len(self.cluster_ips) > 1
                    else "SingleStack",
                    "ports": [
                        {"name": name, "protocol": protocol, "port": 53, "targetPort": self.port}
                        for name, protocol in _PORTS
                    ],
                },
            }
        )

    def slices(self) -> list[EndpointSlice]:
        return [self._slice(address) for address in self.addresses]

    def _slice(self, address: str) -> EndpointSlice:
        return EndpointSlice.from_wire(
            {
                "metadata": {
                    "name": slice_name(address),
                    "namespace": NAMESPACE,
                    "labels": {
                        "kubernetes.io/service-name": NAME,
                        "endpointslice.kubernetes.io/managed-by": MANAGER,
                    },
                },
                "addressType": "IPv6" if ":" in address else "IPv4",
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
                "ports": [
                    {"name": name, "protocol": protocol, "port": self.port}
                    for name, protocol in _PORTS
                ],
            }
        )


def slice_name(address: str) -> str:
    return f"{NAME}-{address.replace('.', '-').replace(':', '-')}"


def slice_differs(found: EndpointSlice, wanted: EndpointSlice) -> bool:
    """Whether the stored slice leads somewhere else."""
    return (
        [(p.name, p.protocol, p.port) for p in found.ports]
        != [(p.name, p.protocol, p.port) for p in wanted.ports]
        or [e.addresses for e in found.endpoints] != [e.addresses for e in wanted.endpoints]
        or any(e.conditions.ready is False for e in found.endpoints)
    )


class Publisher:
    """Keeps the objects as wished for, and takes the slices away at a clean end.

    others: whether clients can be sent to another server
    """

    def __init__(
        self, client: Client, publication: Publication, others: Callable[[], bool]
    ) -> None:
        self._client = client
        self._wanted = publication
        self._others = others
        self._foreign = False

    async def run(self) -> None:
        """Look after the objects until cancelled; then return when nobody is sent here any more."""
        backoff = Backoff(0.2, 2.0, 10.0, jitter=0.2)
        try:
            while True:
                try:
                    await self._once()
                except (ApiError, ApiUnavailable) as error:
                    log.warning("%s/%s is not up to date: %s", NAMESPACE, NAME, error)
                    await asyncio.sleep(backoff.next())
                else:
                    backoff.reset()
                    await asyncio.sleep(CHECK_SECONDS)
        finally:
            await self._leave()

    async def _once(self) -> None:
        service = await self._service()
        if service.spec.selector:
            if not self._foreign:
                log.warning("%s/%s selects pods: another DNS is in charge", NAMESPACE, NAME)
            self._foreign = True
            return
        self._foreign = False
        for wanted in self._wanted.slices():
            await self._keep(wanted)

    async def _keep(self, wanted: EndpointSlice) -> None:
        try:
            found = await self._client.get(EndpointSlice, wanted.metadata.name, NAMESPACE)
        except ApiError as error:
            if error.code != 404:
                raise
            await self._client.create(wanted)
            log.info("published %s", wanted.metadata.name)
            return
        if slice_differs(found, wanted):
            await self._client.update(found.with_(endpoints=wanted.endpoints, ports=wanted.ports))

    async def _service(self) -> Service:
        try:
            return await self._client.get(Service, NAME, NAMESPACE)
        except ApiError as error:
            if error.code != 404:
                raise
        return await self._client.create(self._wanted.service())

    async def _leave(self) -> None:
        """Tell clients at once that this server is gone; when that fails, they find out."""
        if self._foreign:
            return
        for address in self._wanted.addresses:
            name = slice_name(address)
            try:
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await self._client.delete(EndpointSlice, name, NAMESPACE)
            except (ApiError, ApiUnavailable, TimeoutError) as error:
                log.debug("%s stays: %s", name, error)
        if self._others():
            await asyncio.sleep(LAME_DUCK_SECONDS)
