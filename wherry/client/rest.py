"""The typed client of the API: a method per verb, generic over the kind's model.

Refusals are `ApiError` (the server's Status), silence is `ApiUnavailable`; nothing else leaves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from wherry.api.errors import ApiError
from wherry.api.meta_v1.status import DeleteOptions, Preconditions, Status
from wherry.api.model import TypedModel
from wherry.api.scheme import Resource, resource_of
from wherry.client.decode import (
    LineSplitter,
    M,
    ObjectList,
    PartialObjectMetadata,
    WatchEvent,
    decode_event,
    decode_list,
    decode_object,
)
from wherry.client.raw import JSON, Params, RawClient, encode
from wherry.client.transport import ApiUnavailable

__all__ = ["ApiError", "ApiUnavailable", "Client", "ObjectList", "PatchType", "WatchEvent"]

B = TypeVar("B", bound=TypedModel)
PatchType = Literal["merge", "strategic", "json"]
PATCH_TYPES: Mapping[str, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_PARTIAL = "application/json;as={};g=meta.k8s.io;v=v1"
PAGE_LIMIT_MAX = 10_000  # pages followed in one list


class Client(RawClient):
    """Speaks to one API server. Use as an async context manager; methods are safe to run at once.

    `request` and `stream` do what no verb here does.
    """

    # -- reads

    async def get(self, model: type[M], name: str, namespace: str = "") -> M:
        path = resource_of(model).path(namespace, quote(name))
        return decode_object(model, (await self.send("GET", path)).body)

    async def list(
        self,
        model: type[M],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        resource_version: str = "",
        resource: Resource | None = None,
    ) -> ObjectList[M]:
        """All matching objects at one revision; `limit` is the page size, pages are followed.

        With `PartialObjectMetadata`, `resource` says whose metadata.
        """
        path = (resource or resource_of(model)).path(namespace)
        params = _selection(label_selector, field_selector, resource_version)
        if limit:
            params["limit"] = str(limit)
        accept = _accept(model, "PartialObjectMetadataList")
        found: list[M] = []
        for _ in range(PAGE_LIMIT_MAX):
            page = decode_list(model, (await self.send("GET", path, params, accept=accept)).body)
            found = [*found, *page.items] if found else page.items
            if not page.continue_:
                return ObjectList(found, page.resource_version)
            params = {**params, "continue": page.continue_}
            params.pop("resourceVersion", None)
        raise ApiUnavailable(f"{path} has more than {PAGE_LIMIT_MAX} pages")

    async def watch(
        self,
        model: type[M],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        timeout_seconds: int = 0,
        bookmarks: bool = True,
        send_initial_events: bool = False,
        progress: bool = False,
        silence_seconds_max: float = 0.0,
        resource: Resource | None = None,
    ) -> AsyncIterator[WatchEvent[M]]:
        """Events after `resource_version`, until the server ends the watch.

        With `progress` a bookmark tells when all that was written before this call has come.

        ApiError on an ERROR event (410: list again); ApiUnavailable when the connection breaks or,
        with `silence_seconds_max`, when nothing at all arrives for so long.
        """
        path = (resource or resource_of(model)).path(namespace)
        params = _selection(label_selector, field_selector, resource_version)
        params["watch"] = "true"
        if timeout_seconds:
            params["timeoutSeconds"] = str(timeout_seconds)
        if bookmarks:
            params["allowWatchBookmarks"] = "true"
        if send_initial_events:
            params["sendInitialEvents"] = "true"
            params["resourceVersionMatch"] = "NotOlderThan"
        if progress:
            params["progressNotify"] = "true"
        accept = _accept(model, "PartialObjectMetadata")
        lines = LineSplitter()
        async with self.stream("GET", path, params=params, accept=accept) as response:
            chunks = response.chunks()
            while True:
                piece = await _next(chunks, silence_seconds_max, path)
                if not piece:
                    return
                for line in lines.feed(piece):
                    yield decode_event(model, line)

    # -- writes

    async def create(
        self, obj: M, *, subresource: str = "", name: str = "", dry_run: bool = False
    ) -> M:
        """Create the object in its metadata's namespace; the stored form comes back."""
        model, meta = type(obj), _meta(obj)
        path = resource_of(model).path(meta.namespace, quote(name), subresource)
        response = await self.send("POST", path, _dry(dry_run), body=obj.to_json())
        return decode_object(model, response.body)

    async def update(self, obj: M, *, subresource: str = "", dry_run: bool = False) -> M:
        """Replace the object; 409 when its resourceVersion is set and no longer the newest."""
        model, meta = type(obj), _meta(obj)
        path = resource_of(model).path(meta.namespace, quote(meta.name), subresource)
        response = await self.send("PUT", path, _dry(dry_run), body=obj.to_json())
        return decode_object(model, response.body)

    async def update_status(self, obj: M) -> M:
        return await self.update(obj, subresource="status")

    async def patch(
        self,
        model: type[M],
        name: str,
        namespace: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        type: PatchType = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> M:
        path = resource_of(model).path(namespace, quote(name), subresource)
        response = await self.send(
            "PATCH", path, _dry(dry_run), body=encode(patch), content_type=PATCH_TYPES[type]
        )
        return decode_object(model, response.body)

    async def delete(
        self,
        model: type[TypedModel],
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        resource: Resource | None = None,
    ) -> None:
        """Ask for the object's deletion, under the given preconditions."""
        options = _options(grace_period_seconds, propagation_policy, uid, resource_version)
        path = (resource or resource_of(model)).path(namespace, quote(name))
        await self.send("DELETE", path, body=options)

    async def delete_collection(
        self,
        model: type[TypedModel],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
        resource: Resource | None = None,
    ) -> None:
        path = (resource or resource_of(model)).path(namespace)
        params = _selection(label_selector, field_selector, "")
        options = _options(grace_period_seconds, propagation_policy, None, None)
        await self.send("DELETE", path, params, body=options)

    async def create_subresource(
        self, model: type[TypedModel], name: str, namespace: str, subresource: str, body: B
    ) -> B | Status:
        """POST `body` to an object's subresource (binding, eviction, token)."""
        path = resource_of(model).path(namespace, quote(name), subresource)
        answer = (await self.send("POST", path, body=body.to_json())).body
        if b'"kind":"Status"' in answer[:64] or json.loads(answer).get("kind") == "Status":
            return decode_object(Status, answer)
        return decode_object(type(body), answer)


async def _next(chunks: AsyncIterator[bytes], silence_max: float, path: str) -> bytes:
    """The next piece, empty at the end."""
    if not silence_max:
        return await anext(chunks, b"")
    try:
        async with asyncio.timeout(silence_max):
            return await anext(chunks, b"")
    except TimeoutError:
        raise ApiUnavailable(f"nothing heard from {path} for {silence_max:g} s") from None


def _meta(obj: TypedModel) -> Any:
    return getattr(obj, "metadata")  # noqa: B009  # TypedModel itself declares none: reviews lack it


def _accept(model: type[TypedModel], kind: str) -> str:
    return _PARTIAL.format(kind) if model is PartialObjectMetadata else JSON


def _dry(dry_run: bool) -> Params | None:
    return {"dryRun": "All"} if dry_run else None


def _selection(labels: str, fields: str, resource_version: str) -> dict[str, str]:
    params = {
        "labelSelector": labels, "fieldSelector": fields, "resourceVersion": resource_version,
    }  # fmt: skip
    return {key: value for key, value in params.items() if value}


def _options(
    grace: int | None, propagation: str | None, uid: str | None, resource_version: str | None
) -> bytes:
    conditions = None
    if uid is not None or resource_version is not None:
        conditions = Preconditions(uid=uid, resource_version=resource_version)
    return DeleteOptions(
        grace_period_seconds=grace, propagation_policy=propagation, preconditions=conditions
    ).to_json()
