"""Several servers without a leader: each sees to it that clients are not sent to one that is gone.

Every server asks the others, named by the slices of `kube-dns`, for the zone's SOA. One that is
silent several times in a row is marked as not ready; it takes the mark off itself when it is back
(`publish.py` looks at its own slices). Who was silent is decided purely, by `Silence`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import dns.message

from nameserver.forward import ask_by_udp
from nameserver.keeper import BY_SERVICE
from nameserver.publish import MANAGER, NAME, NAMESPACE
from wherry.api.discovery_v1 import EndpointSlice
from wherry.api.errors import ApiError
from wherry.client.informer import Informer
from wherry.client.rest import Client
from wherry.client.transport import ApiUnavailable

log = logging.getLogger(__name__)

MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
LOOK_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 1.0
SILENCES: Final = 3  # in a row mean that a server is gone
PEERS_MAX: Final = 64  # are looked at


@dataclass
class Silence:
    """How often in a row each server was silent. Pure."""

    counts: dict[str, int] = field(default_factory=dict)

    def heard(self, name: str, *, answered: bool) -> bool:
        """Note one try; whether the server counts as gone now."""
        self.counts[name] = 0 if answered else self.counts.get(name, 0) + 1
        return self.counts[name] >= SILENCES

    def keep(self, names: Iterable[str]) -> None:
        """Forget the others."""
        kept = set(names)
        self.counts = {name: count for name, count in self.counts.items() if name in kept}


def peers(slices: Iterable[EndpointSlice], own: Sequence[str]) -> list[EndpointSlice]:
    """The slices of other servers that clients are sent to."""
    found = [
        one
        for one in slices
        if one.metadata.labels.get(MANAGED_BY) == MANAGER
        and any(e.addresses and e.addresses[0] not in own for e in one.endpoints)
        and any(e.conditions.ready is not False for e in one.endpoints)
    ]
    return found[:PEERS_MAX]


class Replicas:
    """Looks after the other servers' slices."""

    def __init__(
        self, client: Client, slices: Informer[EndpointSlice], own: Sequence[str], domain: str
    ) -> None:
        self._client, self._slices, self._own = client, slices, tuple(own)
        self._probe = dns.message.make_query(domain, "SOA", flags=0).to_wire()[2:]
        self._silence = Silence()

    async def run(self) -> None:
        await self._slices.synced()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            others = peers(self._slices.by_index(BY_SERVICE, f"{NAMESPACE}/{NAME}"), self._own)
            self._silence.keep(one.metadata.name for one in others)
            await asyncio.gather(*map(self._look, others))

    async def _look(self, one: EndpointSlice) -> None:
        port = next((p.port for p in one.ports if p.protocol == "UDP"), None)
        answered = await self._answers(one.endpoints[0].addresses[0], port or 53)
        if not self._silence.heard(one.metadata.name, answered=answered):
            return
        log.warning(
            "the server of %s does not answer: clients are not sent to it", one.metadata.name
        )
        conditions = one.endpoints[0].conditions.with_(ready=False)
        gone = one.with_(endpoints=[one.endpoints[0].with_(conditions=conditions)])
        try:
            await self._client.update(gone)
        except (ApiError, ApiUnavailable) as error:
            log.warning("%s can't be marked: %s", one.metadata.name, error)

    async def _answers(self, host: str, port: int) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await ask_by_udp(os.urandom(2) + self._probe, host, port)
        except (OSError, TimeoutError):
            return False
        return True
