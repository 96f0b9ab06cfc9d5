"""Objects of any resource as trees of metadata, for those who know them only by name.

The garbage collector and the namespace controller handle kinds that have no model here; they
need ownership, finalizers and labels, which every object has.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from wherry.api.scheme import Resource
from wherry.client.decode import PartialObjectMetadata
from wherry.client.raw import encode
from wherry.client.rest import PATCH_TYPES, Client, PatchType

_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

Tree = dict[str, Any]


class MetadataClient:
    """list, watch, get, patch and delete by `Resource`. For a cache: `Informer(..., resource=)`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Tree:
        path = resource.path(namespace, quote(name))
        tree: Tree = json.loads((await self._client.request("GET", path, accept=_ONE)).body)
        return tree

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = ""
    ) -> tuple[list[Tree], str]:
        """The objects' trees and the list's resourceVersion."""
        found = await self._client.list(
            PartialObjectMetadata, namespace, label_selector=label_selector, resource=resource
        )
        return [obj.to_wire() for obj in found.items], found.resource_version

    async def watch(
        self, resource: Resource, namespace: str = "", *, resource_version: str = ""
    ) -> AsyncIterator[tuple[str, Tree]]:
        """(event type, tree) until the server ends the watch."""
        events = self._client.watch(
            PartialObjectMetadata, namespace, resource_version=resource_version, resource=resource
        )
        async for event in events:
            yield event.type, event.object.to_wire()

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        patch: Mapping[str, Any],
        *,
        type: PatchType = "merge",
    ) -> Tree:
        path = resource.path(namespace, quote(name))
        answer = await self._client.request(
            "PATCH", path, body=encode(patch), content_type=PATCH_TYPES[type], accept=_ONE
        )
        tree: Tree = json.loads(answer.body)
        return tree

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation_policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        await self._client.delete(
            PartialObjectMetadata, name, namespace, propagation_policy=propagation_policy,
            uid=uid, resource_version=resource_version, resource=resource,
        )  # fmt: skip

    async def delete_collection(self, resource: Resource, namespace: str = "") -> None:
        await self._client.delete_collection(PartialObjectMetadata, namespace, resource=resource)
