"""Service addresses are held by IPAddress objects, so that no two API servers hand out one twice.

An address is a key in the store: who makes it has it. It is made before its Service is stored and
removed after the Service has let go of it. A server that dies in between leaves an address without a
Service; `Holdings.repair` frees those, and makes the objects that older Services lack. Node ports have
no such objects: of several servers, two may choose one port.

Source: kubernetes/pkg/registry/core/service/ipallocator, and its repair controller.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from apiserver.codec import managed_fields
from apiserver.registry.core.service_allocation import addresses_of
from apiserver.storage.cache import WatchCache
from apiserver.storage.encoder import encode
from apiserver.storage.interface import KeyExists, KeyMissing, RevisionConflict, Storage
from apiserver.storage.keys import key_of
from wherry.api.model import format_time, parse_time
from wherry.api.scheme import BY_PLURAL
from wherry.api.shape import shape_of

log = logging.getLogger(__name__)

SERVICES: Final = BY_PLURAL["", "v1", "services"]
ADDRESSES: Final = BY_PLURAL["networking.k8s.io", "v1", "ipaddresses"]
MANAGER: Final = "kube-apiserver"
# An address without a Service is somebody's who is about to make one, for so long.
ABANDONED: Final = timedelta(minutes=1)

Tree = dict[str, Any]


class AddressTaken(Exception):
    """Somebody else made it since this server looked."""


class Holdings:
    """What Services hold."""

    def __init__(self, storage: Storage, cache: WatchCache) -> None:
        self._storage = storage
        self._cache = cache

    def others(self, namespace: str, name: str) -> list[Mapping[str, Any]]:
        """Addresses held by anybody but this Service, as if by one other Service.

        Only names are looked at: there may be many, and each new Service asks.
        """
        service = self._cache.lister().get(SERVICES, namespace, name) if name else None
        own = set(addresses_of(service["spec"])) if service else set()
        held = self._cache.window(ADDRESSES).select()
        return [{"spec": {"clusterIPs": [one.name for one in held if one.name not in own]}}]

    async def hold(
        self, namespace: str, name: str, wanted: Iterable[str], now: datetime
    ) -> list[str]:
        """Make these addresses this Service's; those that were not before. AddressTaken."""
        made: list[str] = []
        for address in wanted:
            try:
                await self._make(address, namespace, name, now)
            except KeyExists:
                if await self._owner(address) == (namespace, name):
                    continue
                await self.release(namespace, name, made)
                raise AddressTaken(address) from None
            made.append(address)
        return made

    async def release(self, namespace: str, name: str, addresses: Iterable[str]) -> None:
        """Let go of these, as far as they are this Service's."""
        for address in addresses:
            entry = await self._storage.get(key_of(ADDRESSES, "", address))
            if entry is None or owner_of(orjson.loads(entry.value)) != (namespace, name):
                continue
            try:
                await self._storage.delete(entry.key, expected=entry.revision)
            except (KeyMissing, RevisionConflict) as error:
                log.info("address %s was let go of meanwhile: %s", address, error)

    async def repair(self, now: datetime) -> None:
        """Make what Services hold and their addresses agree."""
        await self._cache.fresh()
        lister = self._cache.lister()
        missing, abandoned = differences(lister.list(SERVICES), lister.list(ADDRESSES), now)
        for address, (namespace, name) in missing.items():
            try:
                await self.hold(namespace, name, [address], now)
            except AddressTaken:
                log.warning("address %s of service %s/%s is another's", address, namespace, name)
        for address, (namespace, name) in abandoned.items():
            log.info("address %s is freed: %s/%s does not hold it", address, namespace, name)
            await self.release(namespace, name, [address])

    async def _make(self, address: str, namespace: str, name: str, now: datetime) -> None:
        tree = address_tree(address, namespace, name, now, str(uuid.uuid4()))
        await self._storage.create(key_of(ADDRESSES, "", address), encode(tree))

    async def _owner(self, address: str) -> tuple[str, str] | None:
        entry = await self._storage.get(key_of(ADDRESSES, "", address))
        return owner_of(orjson.loads(entry.value)) if entry is not None else None


def owner_of(address: Mapping[str, Any]) -> tuple[str, str] | None:
    """The Service an IPAddress belongs to; None when it is something else's."""
    parent = address["spec"].get("parentRef") or {}
    if parent.get("group") or parent.get("resource") != SERVICES.plural:
        return None
    return parent.get("namespace", ""), parent.get("name", "")


def address_tree(address: str, namespace: str, name: str, now: datetime, uid: str) -> Tree:
    """An IPAddress object."""
    family = "IPv6" if ":" in address else "IPv4"
    tree: Tree = {
        "kind": ADDRESSES.kind,
        "apiVersion": ADDRESSES.api_version,
        "metadata": {
            "name": address,
            "uid": uid,
            "creationTimestamp": format_time(now),
            "labels": {
                "ipaddress.kubernetes.io/ip-family": family,
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": {"resource": SERVICES.plural, "namespace": namespace, "name": name}},
    }
    managed_fields.track(
        tree, None, shape_of(ADDRESSES.model), manager=MANAGER, operation="Update",
        api_version=ADDRESSES.api_version, subresource="", now=now,
    )  # fmt: skip
    return tree


def differences(
    services: Iterable[Mapping[str, Any]], addresses: Iterable[Mapping[str, Any]], now: datetime
) -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """Addresses that Services hold without an object, and objects that no Service holds."""
    held = {
        address: (one["metadata"]["namespace"], one["metadata"]["name"])
        for one in services
        for address in addresses_of(one["spec"])
    }
    known = {one["metadata"]["name"]: one for one in addresses}
    missing = {address: owner for address, owner in held.items() if address not in known}
    abandoned = {
        address: owner
        for address, one in known.items()
        if (owner := owner_of(one)) is not None
        and held.get(address) != owner
        and now - parse_time(one["metadata"]["creationTimestamp"]) > ABANDONED
    }
    return missing, abandoned


def gained(tree: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[str]:
    """The addresses that a Service has now and had not before."""
    before = set(addresses_of(old["spec"])) if old else set()
    return [one for one in addresses_of(tree["spec"]) if one not in before]
