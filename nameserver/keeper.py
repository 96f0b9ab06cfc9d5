"""Keeps the zone equal to what the informers know.

Handlers only note which services changed; a task brings their records up to date, a bounded number
at a time so that questions are answered in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from nameserver.zone import Key, Zone, service_records
from wherry.api.core_v1 import Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.client.informer import Informer

log = logging.getLogger(__name__)

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
BY_SERVICE: Final = "service"
BATCH_MAX: Final = 50  # services worked on without looking up; some 2 ms


def service_of(one: EndpointSlice) -> list[str]:
    """The index of slices: `namespace/service`."""
    name = one.metadata.labels.get(SERVICE_NAME_LABEL)
    return [f"{one.metadata.namespace}/{name}"] if name else []


class Keeper:
    """Owns the zone's content. `slices` must have the index `BY_SERVICE` by `service_of`."""

    def __init__(
        self,
        zone: Zone,
        services: Informer[Service],
        slices: Informer[EndpointSlice],
        changed: Callable[[frozenset[str]], None],
    ) -> None:
        self._zone = zone
        self._services = services
        self._slices = slices
        self._tell = changed
        self._dirty: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self.completed = asyncio.Event()
        services.add_handler(self._service_changed)
        slices.add_handler(self._slice_changed)

    @property
    def complete(self) -> bool:
        """Whether the zone has once held everything there was."""
        return self.completed.is_set()

    def _service_changed(self, before: Service | None, after: Service | None) -> None:
        for one in (before, after):
            if one is not None:
                self._note((one.metadata.namespace, one.metadata.name))

    def _slice_changed(self, before: EndpointSlice | None, after: EndpointSlice | None) -> None:
        for one in (before, after):
            for value in service_of(one) if one is not None else ():
                namespace, _, name = value.partition("/")
                self._note((namespace, name))

    def _note(self, key: Key) -> None:
        self._dirty[key] = None
        self._wake.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._services.synced()
        await self._slices.synced()
        while True:
            changed = self._work()
            if changed:
                self._tell(changed)
            if self._dirty:
                await asyncio.sleep(0)
                continue
            if not self.complete:
                self.completed.set()
                log.info("the zone %s has %d names", self._zone.domain, len(self._zone))
            self._wake.clear()
            await self._wake.wait()

    def _work(self) -> frozenset[str]:
        """Bring some services up to date; the names about which anything changed."""
        changed: set[str] = set()
        for key in list(self._dirty)[:BATCH_MAX]:
            del self._dirty[key]
            service = self._services.get(*key)
            slices = self._slices.by_index(BY_SERVICE, "/".join(key)) if service else []
            records = service_records(service, slices, self._zone.domain) if service else ()
            changed |= self._zone.replace(key, records)
        return frozenset(changed)
