"""LIST: which state is read, which objects of it, and in how many pages.

Without resourceVersion the state is the newest; `0` is what is in memory; a number is at least that
one, or exactly that one. A page's continue token names the state the first page showed: later pages
come from memory as long as nothing moved since, and from the store's past otherwise.

Source: k8s.io/apiserver/pkg/storage/{cacher,continue.go,etcd3/store.go}.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

import orjson

from apiserver.handlers.forms import ListMeta
from apiserver.registry.failures import expired
from apiserver.registry.options import ListOptions
from apiserver.storage.cache import WatchCache
from apiserver.storage.interface import Compacted, Entry, Storage
from apiserver.storage.keys import KeyReader, range_of
from apiserver.storage.watchers import Interest, candidates
from apiserver.storage.window import Cached, FieldsOf, read_object
from wherry.api.errors import bad_request
from wherry.api.scheme import Resource

TOKEN_VERSION = "meta.k8s.io/v1"
STORE_PAGE_KEYS = 500
_INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


class Listing(NamedTuple):
    """Some objects of one state."""

    found: list[Cached]
    meta: ListMeta


class _Token(NamedTuple):
    """Where a list goes on. Revision -1: at whatever state there is then."""

    revision: int
    after: str


class Lists:
    """Answers lists from the cache, and from the store's past when they ask for it."""

    def __init__(
        self, cache: WatchCache, storage: Storage, fields_of: dict[Resource, FieldsOf]
    ) -> None:
        self._cache = cache
        self._storage = storage
        self._fields_of = fields_of
        self._keys = KeyReader(fields_of)

    async def list(self, resource: Resource, options: ListOptions) -> Listing:
        """Raises ApiError, and the failures of the store and the cache."""
        if options.continue_:
            return await self._continue(resource, options)
        revision = options.revision
        if revision is None:
            await self._cache.fresh()
        elif revision > 0:
            exact = options.match == "Exact" or (options.limit > 0 and not options.match)
            if exact:
                return await self._at(resource, options, _Token(revision, ""))
            await self._cache.wait_for(revision)
        return self._from_cache(resource, options, "", self._cache.revision)

    async def _continue(self, resource: Resource, options: ListOptions) -> Listing:
        token = _read_token(options.continue_, options.interest.namespace)
        if options.revision:
            raise bad_request("specifying resource version is not allowed when using continue")
        if token.revision < 0:
            await self._cache.fresh()
            return self._from_cache(resource, options, token.after, self._cache.revision)
        try:
            return await self._at(resource, options, token)
        except Compacted:
            again = _write_token(_Token(-1, token.after), options.interest.namespace)
            error = expired(_INCONSISTENT)
            error.status["metadata"] = {"continue": again}
            raise error from None

    async def _at(self, resource: Resource, options: ListOptions, token: _Token) -> Listing:
        """Part of the state at one revision."""
        if token.revision > self._cache.revision:
            await self._cache.wait_for(token.revision)
        if self._cache.window(resource).changed <= token.revision:
            return self._from_cache(resource, options, token.after, token.revision)
        return await self._from_store(resource, options, token)

    def _from_cache(
        self, resource: Resource, options: ListOptions, after: str, revision: int
    ) -> Listing:
        interest, limit = options.interest, options.limit
        window = self._cache.window(resource)
        found = candidates(window, interest, after)
        if interest.selective:
            found = [cached for cached in found if interest.matches(cached)]
        if not limit or len(found) <= limit:
            return Listing(found, ListMeta(revision))
        left = 0 if interest.selective else len(found) - limit
        return _page(found[:limit], revision, interest, left)

    async def _from_store(self, resource: Resource, options: ListOptions, token: _Token) -> Listing:
        interest, limit = options.interest, options.limit
        found: list[Cached] = []
        after = token.after
        while True:
            start, end = range_of(resource, interest.namespace, after)
            wanted = min(limit or STORE_PAGE_KEYS, STORE_PAGE_KEYS)
            page = await self._storage.range(start, end, limit=wanted, revision=token.revision)
            for index, entry in enumerate(page.entries):
                cached = self._cached(resource, entry)
                after = cached.path
                if not interest.matches(cached):
                    continue
                found.append(cached)
                left = page.remaining + len(page.entries) - index - 1
                if limit and len(found) == limit and left:
                    remaining = 0 if interest.selective else left
                    return _page(found, token.revision, interest, remaining)
            if not page.more or not page.entries:
                return Listing(found, ListMeta(token.revision))

    def _cached(self, resource: Resource, entry: Entry) -> Cached:
        place = self._keys.read(entry.key)
        assert place is not None, "a range of one resource holds only its keys"
        return read_object(
            self._fields_of[resource], place.namespace, place.name, entry.value, entry.revision
        )


def _page(found: list[Cached], revision: int, interest: Interest, left: int) -> Listing:
    token = _write_token(_Token(revision, found[-1].path), interest.namespace)
    return Listing(found, ListMeta(revision, token, left))


def _write_token(token: _Token, namespace: str) -> str:
    """Upstream's token: keys are relative to the collection that is listed."""
    start = token.after.removeprefix(f"{namespace}/") if namespace else token.after
    tree = {"v": TOKEN_VERSION, "rv": token.revision, "start": start + "\0"}
    return base64.urlsafe_b64encode(orjson.dumps(tree)).rstrip(b"=").decode()


def _read_token(text: str, namespace: str) -> _Token:
    try:
        padded = text + "=" * (-len(text) % 4)
        tree = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        version, revision, start = tree["v"], tree["rv"], str(tree["start"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from None
    if version != TOKEN_VERSION:
        raise bad_request(
            f'continue key is not valid: server does not recognize this encoded version "{version}"'
        )
    known = isinstance(revision, int) and -(1 << 63) <= revision < 1 << 63 and revision != 0
    if not known or not start.removesuffix("\0"):
        raise bad_request("continue key is not valid: incorrect encoded start resourceVersion")
    after = start.removesuffix("\0")
    return _Token(revision, f"{namespace}/{after}" if namespace else after)
