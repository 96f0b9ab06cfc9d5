"""Service addresses and node ports are held by keys, so that no two API servers hand out one twice.

A key can be made once: who makes it has it. It is made before its Service is stored and removed after
the Service has let go of it. A server that dies in between leaves a key without a Service;
`Holdings.repair` frees those, and makes the keys that older Services lack. What is held, and as what:
`claims.py`.

Source: kubernetes/pkg/registry/core/service/{ipallocator,portallocator}, and their repair controllers.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

from apiserver.registry import claims
from apiserver.registry.claims import ADDRESSES as ADDRESSES
from apiserver.registry.claims import PORT, PORTS, PORTS_END, Claim, Owner
from apiserver.registry.claims import SERVICES as SERVICES
from apiserver.registry.claims import gained as gained
from apiserver.registry.core.service_allocation import addresses_of
from apiserver.storage.cache import WatchCache
from apiserver.storage.interface import KeyExists, KeyMissing, RevisionConflict, Storage
from apiserver.storage.keys import key_of

log = logging.getLogger(__name__)


class AddressTaken(Exception):
    """Somebody else made the claim since this server looked."""


class Holdings:
    """What Services hold."""

    def __init__(self, storage: Storage, cache: WatchCache) -> None:
        self._storage = storage
        self._cache = cache
        self._repaired = False  # all that Services hold has a key
        self._met: set[int] = set()  # ports that are others', read as `hold` met one of them
        self.ports_held = 0  # at the last repair, and what this server did since

    def others(
        self, namespace: str, name: str, *, dry_run: bool = False
    ) -> list[Mapping[str, Any]]:
        """What is held by anybody but this Service, as if by other Services.

        There may be many, and each new Service asks. So of addresses only names are looked at, and
        ports are not known at all before `hold` meets one that is taken: then all are read, for the
        next try. Whoever holds nothing in the end is told of the Services themselves.
        """
        lister = self._cache.lister()
        service = lister.get(SERVICES, namespace, name) if name else None
        own = set(addresses_of(service["spec"])) if service else set()
        held = self._cache.window(ADDRESSES).select()
        met, self._met = [{"nodePort": port} for port in self._met], set()
        addresses = [one.name for one in held if one.name not in own]
        found: list[Mapping[str, Any]] = [{"spec": {"clusterIPs": addresses, "ports": met}}]
        if self._repaired and not dry_run:
            return found
        return found + [one for one in lister.list(SERVICES) if _name_of(one) != (namespace, name)]

    async def hold(
        self, namespace: str, name: str, wanted: Iterable[str], now: datetime
    ) -> list[str]:
        """Make these claims this Service's; those that were not before. AddressTaken."""
        made: list[str] = []
        for claim in wanted:
            stored = claims.value(claim, (namespace, name), now, str(uuid.uuid4()))
            try:
                await self._storage.create(claims.key(claim), stored)
            except KeyExists:
                if await self._owner(claim) == (namespace, name):
                    continue
                if claims.port_of(claim):
                    await self._meet((namespace, name))
                await self.release(namespace, name, made)
                raise AddressTaken(claim) from None
            made.append(claim)
            self._count(claim, +1)
        return made

    async def release(self, namespace: str, name: str, wanted: Iterable[str]) -> None:
        """Let go of these, as far as they are this Service's and it does not hold them (any more).

        The second is looked up: of two who make a Service of one name, the slower must not take away
        what the faster one's has.
        """
        wanted = list(wanted)
        if not wanted:
            return
        service = await self._storage.get(key_of(SERVICES, namespace, name))
        kept = claims.claims_of(orjson.loads(service.value)["spec"]) if service else []
        for claim in wanted:
            entry = await self._storage.get(claims.key(claim))
            if claim in kept or entry is None:
                continue
            if claims.read(claim, entry.value).owner != (namespace, name):
                continue
            try:
                await self._storage.delete(entry.key, expected=entry.revision)
                self._count(claim, -1)
            except (KeyMissing, RevisionConflict) as error:
                log.info("%s was let go of meanwhile: %s", claim, error)

    async def repair(self, now: datetime) -> None:
        """Make what Services hold and their claims agree."""
        await self._cache.fresh()
        lister = self._cache.lister()
        ports = await self._ports()
        self.ports_held = len(ports)
        found = ports | {
            one["metadata"]["name"]: claims.address_claim(one) for one in lister.list(ADDRESSES)
        }
        missing, abandoned = claims.differences(lister.list(SERVICES), found, now)
        for claim, (namespace, name) in missing.items():
            try:
                await self.hold(namespace, name, [claim], now)
            except AddressTaken:
                log.warning("%s of service %s/%s is another's", claim, namespace, name)
        for claim, (namespace, name) in abandoned.items():
            log.info("%s is freed: %s/%s does not hold it", claim, namespace, name)
            await self.release(namespace, name, [claim])
        self._repaired = True

    def _count(self, claim: str, change: int) -> None:
        if claims.port_of(claim):
            self.ports_held += change

    async def _meet(self, own: Owner) -> None:
        """Read which ports are others'."""
        found = (await self._ports()).items()
        self._met = {claims.port_of(claim) for claim, one in found if one.owner != own}

    async def _ports(self) -> dict[str, Claim]:
        """All node ports that are held; there are no more than 65,535."""
        page = await self._storage.range(PORTS, PORTS_END)
        found = {f"{PORT}{entry.key[len(PORTS) :].decode()}": entry.value for entry in page.entries}
        return {claim: claims.read(claim, value) for claim, value in found.items()}

    async def _owner(self, claim: str) -> Owner | None:
        entry = await self._storage.get(claims.key(claim))
        return claims.read(claim, entry.value).owner if entry is not None else None


def _name_of(tree: Mapping[str, Any]) -> Owner:
    return tree["metadata"].get("namespace", ""), tree["metadata"]["name"]
