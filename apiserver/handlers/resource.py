"""Requests for stored resources: each verb, from a RequestContext and a body to a Response.

Reading verbs move bytes from the cache. Writing verbs decode at this edge and hand over to the
registry. Errors are ApiErrors, which the HTTP shell renders.

Source: k8s.io/apiserver/pkg/endpoints/handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from apiserver.codec.decode import decode, decode_patched
from apiserver.handlers.applying import applier_of, scale_applier_of
from apiserver.handlers.forms import ObjectShower, PartialShower, Shower, TableShower
from apiserver.handlers.lists import Listing, Lists
from apiserver.handlers.negotiate import OBJECT, Form, check_form, form_of
from apiserver.handlers.patching import check_patch, parse_patch
from apiserver.handlers.scale import SCALE_ROWS, SCALES, scale_errors, scale_of, scaled
from apiserver.handlers.watches import open_watch
from apiserver.registry import deletion
from apiserver.registry.failures import FAILURES, api_error, unavailable
from apiserver.registry.options import (
    check_write,
    delete_options,
    field_validation,
    list_options,
)
from apiserver.registry.pipeline import match_name
from apiserver.registry.store import Outcome, Registry
from apiserver.request import RequestContext, Response
from apiserver.storage.cache import WAIT_SECONDS_MAX
from apiserver.storage.encoder import decode_item
from apiserver.storage.interface import Storage
from wherry.api import autoscaling_v1
from wherry.api.errors import ApiError, bad_request, invalid_object, not_found
from wherry.api.model import TypedModel
from wherry.api.scheme import Resource
from wherry.daemon.clock import Clock, SystemClock

Tree = dict[str, Any]
ReceiveBody = Callable[[], Awaitable[bytes]]
DELETE_WORKERS = 32  # of one deletecollection
STREAM_FROM_BYTES = 512 * 1024  # lists below this are sent in one piece
INCLUDES = ("Metadata", "Object", "None")


class ResourceHandlers:
    """See the module."""

    def __init__(self, registry: Registry, storage: Storage, clock: Clock | None = None) -> None:
        self._registry = registry
        self._cache = registry.cache
        self._clock = clock or SystemClock()
        strategies = registry.strategies
        self._lists = Lists(
            registry.cache, storage, {r: s.selectable_fields for r, s in strategies.items()}
        )
        self._showers: dict[Resource, Shower] = {
            resource: ObjectShower(resource) for resource in strategies
        }
        self._verbs: Mapping[str, Callable[[RequestContext, ReceiveBody], Awaitable[Response]]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def handle(self, ctx: RequestContext, receive_body: ReceiveBody) -> Response:
        """Answer a request. Raises ApiError."""
        if deprecation := self._registry.strategies[ctx.resource].deprecation:
            ctx.warnings.append(deprecation)
        _form(ctx)  # before anything is stored
        try:
            if not self._cache.ready.is_set():
                await self._filled()
            if self._cache.unreadable:  # what is there must not seem to be gone
                await self._cache.fresh()
                self._cache.unreadable.check(ctx.info)
            return await self._verbs[ctx.info.verb](ctx, receive_body)
        except FAILURES as error:
            raise api_error(error) from error

    async def _filled(self) -> None:
        """Wait for the cache's first list; ApiError 503 when it takes long."""
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await self._cache.ready.wait()
        except TimeoutError:
            raise unavailable("the watch cache is not filled yet") from None

    # --- reading ---

    async def _get(self, ctx: RequestContext, _: ReceiveBody) -> Response:
        info, resource = ctx.info, ctx.resource
        await self._until(ctx)
        cached = self._cache.window(resource).get(info.namespace, info.name)
        if cached is None:
            raise not_found(resource.qualified_name, info.name)
        if info.subresource == "scale":
            return self._shown_scale(ctx, cached.item)
        return self._whole(ctx, cached.item)

    async def _until(self, ctx: RequestContext) -> None:
        """Wait for the state a GET asks for: the newest unless `resourceVersion` says less."""
        revision = None
        if "resourceVersion" in ctx.query:
            revision = list_options(ctx.query, ctx.resource, "", watching=False).revision
        if revision is None:
            await self._cache.fresh()
        elif revision:
            await self._cache.wait_for(revision)

    async def _list(self, ctx: RequestContext, _: ReceiveBody) -> Response:
        shower = self._shower(ctx)
        options = list_options(ctx.query, ctx.resource, ctx.info.namespace, watching=False)
        check_form(_form(ctx), ctx.resource.gvk, listed=True)
        listing = await self._lists.list(ctx.resource, options)
        return await _list_response(shower, listing)

    async def _watch(self, ctx: RequestContext, _: ReceiveBody) -> Response:
        info, resource = ctx.info, ctx.resource
        shower = self._shower(ctx)
        options = list_options(ctx.query, resource, info.namespace, watching=True)
        if info.name:  # the old form of watching one object
            query = {**ctx.query, "fieldSelector": f"metadata.name={info.name}"}
            options = list_options(query, resource, info.namespace, watching=True)
        body = await open_watch(self._cache, resource, options, shower)
        return Response(body=body)

    def _shower(self, ctx: RequestContext) -> Shower:
        form = _form(ctx)
        resource = ctx.resource
        if form is OBJECT:
            return self._showers[resource]
        return self._other_shower(resource, form, ctx.query.get("includeObject") or "Metadata")

    def _other_shower(self, resource: Resource, form: Form, include: str) -> Shower:
        if form.kind == "object":
            return self._showers[resource]
        if form.kind == "partial":
            return PartialShower(form)
        if include not in INCLUDES:
            raise bad_request(f'unrecognized includeObject value: "{include}"')
        return self._table(resource, form, include)

    def _shown_scale(self, ctx: RequestContext, item: bytes) -> Response:
        body = orjson.dumps(scale_of(decode_item(item, ctx.resource.gvk)))
        form = _form(ctx)
        if form.kind != "object":
            check_form(form, SCALES.gvk, listed=False)
            include = ctx.query.get("includeObject") or "Metadata"
            body = self._other_shower(SCALES, form, include).whole(body)
        return Response(body=body + b"\n")

    def _table(self, resource: Resource, form: Form, include: str) -> Shower:
        strategy = SCALE_ROWS if resource is SCALES else self._registry.strategies[resource]
        return TableShower(resource, strategy, form, include, self._clock)  # type: ignore[arg-type]  # the caller checked `include`

    # --- writing ---

    async def _create(self, ctx: RequestContext, receive_body: ReceiveBody) -> Response:
        check_write(ctx.query, "CreateOptions")
        info, resource = ctx.info, ctx.resource
        body = await receive_body()
        make = self._decoder(ctx, body)
        outcome = await self._registry.create_object(
            ctx, resource, info.namespace, lambda _: make(), dry_run=ctx.dry_run
        )
        return self._written(ctx, outcome)

    async def _update(self, ctx: RequestContext, receive_body: ReceiveBody) -> Response:
        check_write(ctx.query, "UpdateOptions")
        body = await receive_body()
        name = ctx.info.name
        if ctx.info.subresource == "scale":
            decoded = self._decoder_of(ctx, autoscaling_v1.Scale, body)
            return await self._scale(ctx, lambda _: decoded())
        decode_body = self._decoder(ctx, body)

        def named() -> Tree:
            tree = decode_body()
            match_name(tree.setdefault("metadata", {}), name)
            return tree

        first = [named()]  # what is wrong with the body is said before the object is looked for
        return await self._change(ctx, lambda _: first.pop() if first else named())

    async def _patch(self, ctx: RequestContext, receive_body: ReceiveBody) -> Response:
        check_write(ctx.query, "PatchOptions")
        applies = check_patch(ctx.query, ctx.content_type)
        body = await receive_body()
        if applies:
            return await self._apply(ctx, body)
        if ctx.info.subresource == "scale":
            return await self._scale(ctx, self._patcher_of(ctx, autoscaling_v1.Scale, body))
        patch = self._patcher(ctx, body)

        def make(old: Mapping[str, Any] | None) -> Tree:
            if old is None:
                raise not_found(ctx.resource.qualified_name, ctx.info.name)
            tree = patch(old)
            match_name(tree.setdefault("metadata", {}), ctx.info.name)
            return tree

        return await self._change(ctx, make)

    async def _apply(self, ctx: RequestContext, body: bytes) -> Response:
        """Server-side apply; what somebody made since it was looked for is applied to."""
        if ctx.info.subresource == "scale":
            return await self._store_scale(
                ctx, scale_applier_of(ctx, body, autoscaling_v1.Scale), applies=True
            )
        applied = applier_of(ctx, self._applied(ctx, body))

        def make(old: Mapping[str, Any] | None) -> Tree:
            tree = applied(old)
            match_name(tree["metadata"], ctx.info.name)
            return tree

        try:
            return await self._change(ctx, make, applies=True)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return await self._change(ctx, make, applies=True)

    async def _change(
        self,
        ctx: RequestContext,
        make: Callable[[Mapping[str, Any] | None], Tree],
        *,
        applies: bool = False,
    ) -> Response:
        info = ctx.info
        outcome = await self._registry.change_object(
            ctx, ctx.resource, info.namespace, info.name, make,
            subresource=info.subresource, dry_run=ctx.dry_run, applies=applies,
        )  # fmt: skip
        return self._written(ctx, outcome)

    async def _scale(
        self, ctx: RequestContext, make_scale: Callable[[Mapping[str, Any]], Tree]
    ) -> Response:
        info = ctx.info

        def make(old: Mapping[str, Any] | None) -> Tree:
            assert old is not None, "an object is scaled only when it is there"
            scale = make_scale(scale_of(old))
            match_name(scale.setdefault("metadata", {}), info.name)
            if errors := scale_errors(scale):
                raise invalid_object("autoscaling", "Scale", info.name, errors)
            tree: Tree = orjson.loads(orjson.dumps(old))
            scaled(tree, scale)
            return tree

        return await self._store_scale(ctx, make)

    async def _store_scale(
        self,
        ctx: RequestContext,
        make: Callable[[Mapping[str, Any] | None], Tree],
        *,
        applies: bool = False,
    ) -> Response:
        info, resource = ctx.info, ctx.resource
        outcome = await self._registry.change_object(
            ctx, resource, info.namespace, info.name, make, subresource="scale",
            dry_run=ctx.dry_run, applies=applies,
        )  # fmt: skip
        return self._shown_scale(ctx, outcome.item)

    async def _delete(self, ctx: RequestContext, receive_body: ReceiveBody) -> Response:
        info, resource = ctx.info, ctx.resource
        options = self._delete_options(ctx, await receive_body())
        outcome = await self._registry.delete_object(
            ctx, resource, info.namespace, info.name, options
        )
        if outcome.removed and not deletion.answers_with_object(resource):
            uid = orjson.loads(outcome.item)["metadata"].get("uid", "")
            return Response(body=_deleted(resource, info.name, uid))
        # Upstream says "not yet" to the old form of asking for a cascade only.
        waits = not outcome.removed and options.orphan is False
        return self._whole(ctx, outcome.item, 202 if waits else 200)

    async def _delete_collection(self, ctx: RequestContext, receive_body: ReceiveBody) -> Response:
        info, resource = ctx.info, ctx.resource
        deleting = self._delete_options(ctx, await receive_body())
        listing = await self._lists.list(
            resource, list_options(ctx.query, resource, info.namespace, watching=False)
        )
        waiting = iter(listing.found)

        async def work() -> None:
            for cached in waiting:
                item_ctx = replace(ctx, info=replace(info, name=cached.name))
                try:
                    await self._registry.delete_object(
                        item_ctx, resource, cached.namespace, cached.name, deleting
                    )
                except ApiError as error:
                    if error.reason != "NotFound":  # somebody else was faster
                        raise

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(DELETE_WORKERS, len(listing.found))):
                    group.create_task(work())
        except* ApiError as errors:
            raise _first(errors) from None
        return await _list_response(self._showers[resource], listing)

    def _delete_options(self, ctx: RequestContext, body: bytes) -> deletion.DeleteOptions:
        options = delete_options(ctx.query, body, ctx.content_type)
        warning = self._registry.strategies[ctx.resource].orphaning_warning
        if warning and not options.propagation and options.orphan is None:
            ctx.warnings.append(warning)
        return options

    # --- the edge: what views of a kind in another version do otherwise ---

    def _decoder(self, ctx: RequestContext, body: bytes) -> Callable[[], Tree]:
        """Decodes the body each time it is called, as a decoded tree is changed on its way."""
        return self._decoder_of(ctx, ctx.resource.model, body)

    def _patcher(self, ctx: RequestContext, body: bytes) -> Callable[[Mapping[str, Any]], Tree]:
        """Makes the wanted object from the one that is there."""
        return self._patcher_of(ctx, ctx.resource.model, body)

    def _applied(self, ctx: RequestContext, body: bytes) -> bytes:
        """A configuration to be applied."""
        return body

    def _decoder_of(
        self, ctx: RequestContext, model: type[TypedModel], body: bytes
    ) -> Callable[[], Tree]:
        validation = field_validation(ctx.query)

        def decode_body() -> Tree:
            decoded = decode(model, body, ctx.content_type, validation)
            ctx.warnings.extend(text for text in decoded.warnings if text not in ctx.warnings)
            return decoded.tree

        return decode_body

    def _patcher_of(
        self, ctx: RequestContext, model: type[TypedModel], body: bytes
    ) -> Callable[[Mapping[str, Any]], Tree]:
        validation = field_validation(ctx.query)
        patch = parse_patch(body, ctx.content_type, model)

        def patched(old: Mapping[str, Any]) -> Tree:
            tree = patch.apply(old)
            decoded = decode_patched(
                model, tree, validation, lambda: patch.shown(tree), converted=patch.converted
            )
            ctx.warnings.extend(text for text in decoded.warnings if text not in ctx.warnings)
            return decoded.tree

        return patched

    def _written(self, ctx: RequestContext, outcome: Outcome) -> Response:
        return self._whole(ctx, outcome.item, 201 if outcome.created else 200)

    def _whole(self, ctx: RequestContext, item: bytes, status: int = 200) -> Response:
        """One object in the form that was asked for."""
        shower = self._shower(ctx)
        check_form(_form(ctx), ctx.resource.gvk, listed=False)
        return Response(status, shower.whole(item) + b"\n")


def _form(ctx: RequestContext) -> Form:
    return form_of(ctx.accept, streamed=ctx.info.verb == "watch")


async def _list_response(shower: Shower, listing: Listing) -> Response:
    """Small lists in one piece, large ones as a stream."""
    size = sum(len(cached.item) for cached in listing.found)
    chunks = shower.listing(listing.found, listing.meta)
    if size > STREAM_FROM_BYTES:
        return Response(body=chunks)
    return Response(body=b"".join([chunk async for chunk in chunks]))


def _deleted(resource: Resource, name: str, uid: str) -> bytes:
    details = {"name": name, "group": resource.group, "kind": resource.plural, "uid": uid}
    return orjson.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value},
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _first(errors: BaseExceptionGroup[ApiError]) -> ApiError:
    found = errors.exceptions[0]
    return found if isinstance(found, ApiError) else _first(found)
