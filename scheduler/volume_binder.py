"""Gets a placed pod's claims bound before the pod is: tells the binder the node, and waits.

A claim that waits for its first consumer is given a volume by writing the claim into the volume, or
has one made by writing the node onto the claim; the volume binder does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from scheduler.framework import Happening
from scheduler.state import PodInfo
from scheduler.volumes import Unusable, Volumes
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.model import TypedModel
from wherry.api.storage_v1 import StorageClass
from wherry.api.volumes import SELECTED_NODE, is_bound, reservation
from wherry.client.informer import Informer
from wherry.client.rest import Client
from wherry.client.store import key_of

BOUND_SECONDS_MAX = 60.0  # then the pod is tried again: the claim may have been made for no use

Happened = Callable[[frozenset[Happening]], None]


class NotBound(Exception):
    """The claims got no volumes in time; the text is for the pod's event."""


class VolumeBinder:
    """Keeps the view of volumes, and binds."""

    def __init__(self, client: Client, volumes: Volumes, happened: Happened) -> None:
        self._client = client
        self._view = volumes
        self._happened = happened
        self._moved = asyncio.Event()
        self.informers: tuple[Informer[Any], ...] = (
            self._follow(PersistentVolumeClaim, volumes.claims),
            self._follow(PersistentVolume, volumes.volumes),
            self._follow(StorageClass, volumes.classes),
        )

    def _follow(self, model: type[Any], into: dict[str, Any]) -> Informer[Any]:
        def changed(before: TypedModel | None, after: TypedModel | None) -> None:
            if after is not None:
                into[key_of(after)] = after
            elif before is not None:
                into.pop(key_of(before), None)
            self._moved.set()
            self._happened(frozenset({Happening.VOLUMES}))

        informer: Informer[Any] = Informer(self._client, model)
        informer.add_handler(changed)
        return informer

    async def bind(self, pod: PodInfo, node_name: str, labels: Mapping[str, str]) -> None:
        """Until every claim of the pod is bound. NotBound, ApiError or ApiUnavailable."""
        if not pod.claims or self._all_bound(pod):
            return
        try:
            wanted = self._view.wanted(pod.claims)
            chosen = self._view.choose(wanted, node_name, labels)
        except Unusable as error:
            raise NotBound(str(error)) from error
        if chosen is None:
            raise NotBound("the volumes that were to be bound are taken")
        for claim, _ in wanted.waiting:
            volume = chosen[claim.metadata.uid]
            if volume is not None:
                await self._give(volume, claim)
            else:
                await self._ask(claim, node_name)
        try:
            async with asyncio.timeout(BOUND_SECONDS_MAX):
                while not self._all_bound(pod):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError as error:
            raise NotBound("binding volumes: timed out waiting for the condition") from error

    def _all_bound(self, pod: PodInfo) -> bool:
        claims = [self._view.claims.get(key) for key in pod.claims]
        return all(claim is not None and is_bound(claim) for claim in claims)

    async def _give(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> None:
        reference = volume.spec.claim_ref
        if reference is not None and reference.uid == claim.metadata.uid:
            return
        change = reservation(volume, claim)
        await self._client.patch(PersistentVolume, volume.metadata.name, "", change)

    async def _ask(self, claim: PersistentVolumeClaim, node_name: str) -> None:
        meta = claim.metadata
        if meta.annotations.get(SELECTED_NODE) == node_name:
            return
        change = {"metadata": {"uid": meta.uid, "annotations": {SELECTED_NODE: node_name}}}
        await self._client.patch(PersistentVolumeClaim, meta.name, meta.namespace, change)
