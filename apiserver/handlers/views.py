"""Requests for kinds served in a second version (see `registry/views.py`).

The request goes the way of the stored resource; bodies are decoded as what they say they are and
converted then, objects are converted back on their way out. These forms parse, unlike the plain one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from apiserver.codec.decode import decode_tree
from apiserver.handlers.applying import read_config
from apiserver.handlers.forms import ListMeta, ObjectShower, Shower, TableShower
from apiserver.handlers.negotiate import Form
from apiserver.handlers.resource import ReceiveBody, ResourceHandlers, Tree
from apiserver.registry.store import Registry
from apiserver.registry.view import View
from apiserver.registry.views import VIEWS
from apiserver.request import RequestContext, Response
from apiserver.storage.encoder import EventType
from apiserver.storage.interface import Storage
from apiserver.storage.window import Cached
from wherry.api.errors import ApiError, invalid_object
from wherry.api.field_selectors import FieldSelectorExpr, parse_field_selector
from wherry.api.scheme import Resource
from wherry.daemon.clock import Clock


class ViewHandlers(ResourceHandlers):
    """The handlers of one view."""

    def __init__(
        self, view: View, registry: Registry, storage: Storage, clock: Clock | None = None
    ) -> None:
        super().__init__(registry, storage, clock)
        self._view = view
        self._showers = {**self._showers, view.stored: ViewShower(view)}

    async def handle(self, ctx: RequestContext, receive_body: ReceiveBody) -> Response:
        info = replace(ctx.info, resource=self._view.stored)
        query = {**ctx.query}
        if selector := query.get("fieldSelector"):
            query["fieldSelector"] = _selector(selector, self._view.fields)
        try:
            return await super().handle(replace(ctx, info=info, query=query), receive_body)
        except ApiError as error:
            raise in_words_of(self._view, error) from None

    def _decoder(self, ctx: RequestContext, body: bytes) -> Callable[[], Tree]:
        decode_body = self._decoder_of(ctx, self._view.resource.model, body)
        if ctx.info.verb == "create":
            return lambda: self._checked(self._to_stored(decode_body()), None)
        return lambda: self._to_stored(decode_body())

    async def _change(
        self,
        ctx: RequestContext,
        make: Callable[[Mapping[str, Any] | None], Tree],
        *,
        applies: bool = False,
    ) -> Response:
        return await super()._change(
            ctx, lambda old: self._checked(make(old), old), applies=applies
        )

    def _checked(self, tree: Tree, old: Mapping[str, Any] | None) -> Tree:
        if errors := self._view.check(tree, old):
            name = tree.get("metadata", {}).get("name", "")
            raise invalid_object(self._view.stored.group, self._view.stored.kind, name, errors)
        return tree

    def _patcher(self, ctx: RequestContext, body: bytes) -> Callable[[Mapping[str, Any]], Tree]:
        patch = self._patcher_of(ctx, self._view.resource.model, body)
        return lambda old: self._to_stored(patch(self._view.from_stored(dict(old))))

    def _applied(self, ctx: RequestContext, body: bytes) -> bytes:
        # A configuration is not whole: only what it says is converted.
        said = self._view.to_stored(read_config(ctx, body, self._view.resource.model))
        return orjson.dumps({key: value for key, value in said.items() if value != {}})

    def _to_stored(self, tree: Tree) -> Tree:
        stored = self._view.to_stored(tree)
        return decode_tree(self._view.stored.model, stored, "Ignore").tree

    def _table(self, resource: Resource, form: Form, include: str) -> Shower:
        strategy = self._registry.strategies[resource]
        return ViewTableShower(self._view, strategy, form, include, self._clock)


def in_words_of(view: View, error: ApiError) -> ApiError:
    """An error about a stored object, as one about what the client sees."""
    seen, stored = view.resource, view.stored
    details = error.status.get("details", {})
    if seen.group == stored.group or details.get("kind") not in (stored.plural, stored.kind):
        return error
    kind = f"{seen.kind}.{seen.group}"
    message = error.message.replace(f'{stored.qualified_name} "', f'{seen.qualified_name} "', 1)
    message = message.replace(f'{stored.kind} "', f'{kind} "', 1)
    named = {"name": details.get("name", ""), "group": seen.group, "kind": details["kind"]}
    more = {key: value for key, value in details.items() if key not in named}
    worded = {key: value for key, value in named.items() if value} | more
    return ApiError({**error.status, "message": message, "details": worded})


def _selector(text: str, fields: Mapping[str, str]) -> str:
    """A field selector in the stored form's names; what can't be read is refused later."""
    try:
        found = parse_field_selector(text)
    except ValueError:
        return text
    terms = (replace(term, field=fields.get(term.field, term.field)) for term in found.terms)
    return str(FieldSelectorExpr(tuple(terms)))


class ViewShower:
    """Objects in the version they are asked for."""

    def __init__(self, view: View) -> None:
        self.key: Hashable = ("view", view.resource.api_version)
        self._view = view
        self._plain = ObjectShower(view.resource)

    def whole(self, item: bytes) -> bytes:
        return self._plain.whole(self._converted(item))

    async def listing(self, found: Sequence[Cached], meta: ListMeta) -> AsyncIterator[bytes]:
        converted = [self._shown(cached) for cached in found]
        async for chunk in self._plain.listing(converted, meta):
            yield chunk

    def frame(self, kind: EventType, cached: Cached) -> bytes:
        return self._plain.frame(kind, self._shown(cached))

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        return self._plain.bookmark(revision, initial_end=initial_end)

    def _shown(self, cached: Cached) -> Cached:
        return Cached(
            cached.namespace, cached.name, self._converted(cached.item), cached.revision,
            cached.labels, cached.fields,
        )  # fmt: skip

    def _converted(self, item: bytes) -> bytes:
        return orjson.dumps(self._view.from_stored(orjson.loads(item)))


class ViewTableShower(TableShower):
    """Rows are of the stored form; an object that is included is converted."""

    def __init__(self, view: View, *arguments: Any) -> None:
        super().__init__(view.resource, *arguments)
        self.key = (view.resource.api_version, self.key)
        self._view = view

    def _object(self, tree: Tree) -> Tree:
        return super()._object(self._view.from_stored(tree))


class AllHandlers:
    """Requests for every stored kind, in every version it is served in."""

    def __init__(self, registry: Registry, storage: Storage, clock: Clock | None = None) -> None:
        self._plain = ResourceHandlers(registry, storage, clock)
        self._views = {
            resource: ViewHandlers(view, registry, storage, clock)
            for resource, view in VIEWS.items()
        }

    async def handle(self, ctx: RequestContext, receive_body: ReceiveBody) -> Response:
        """Answer a request. Raises ApiError."""
        handlers = self._views.get(ctx.resource, self._plain)
        return await handlers.handle(ctx, receive_body)
