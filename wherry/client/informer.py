"""A warm, local, read-only copy of some objects of the API: list once, then follow by watch.

Promises: handlers see, for each object, a subsequence of its real states in order, and the last
one in the end; reads never block; while the server is away the last known state stays. Does not
promise that two objects are seen as of one moment, nor that every state in between is seen.

Resumes a broken watch where it was; lists again only when the server has forgotten that point
(410), and then tells handlers the differences. Source: client-go/tools/cache reflector.

Who must not decide on an old state waits: `shows` for a write of its own, `caught_up` for whatever
anybody wrote.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from builtins import list as List  # `Informer.list` hides the builtin in annotations
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Generic

from wherry.api.errors import ApiError
from wherry.api.scheme import Resource, resource_of
from wherry.client.decode import M, WatchEvent
from wherry.client.rest import Client
from wherry.client.store import Index, Store, key_of, meta_of
from wherry.client.transport import ApiUnavailable
from wherry.daemon.backoff import Backoff

log = logging.getLogger(__name__)

Handler = Callable[[M | None, M | None], None]
Transform = Callable[[M], M]

SILENCE_SECONDS_MAX = 90.0  # bookmarks come every 30 s at least: silence means a dead connection
WATCH_SECONDS_MIN = 300  # as client-go: a watch is asked to last 5 to 10 minutes
SHORT_WATCH_SECONDS = 1.0  # a watch that ends sooner, having said nothing, counts as a failure
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10.0
SHOW_SECONDS_MAX = 5.0  # a write that a healthy watch has not shown by then is looked for anew


def without_managed_fields(obj: M) -> M:
    """The default transform: nobody who reads a cache needs them, and they are half its memory.

    An update sent without them keeps the server's, so writing such an object back is safe.
    """
    meta = meta_of(obj)
    if not meta.managed_fields:
        return obj
    return obj.with_(metadata=meta.with_(managed_fields=[]))


class Informer(Generic[M]):
    """The cache of one kind. `run` it in a TaskGroup of the owner; read when `synced`.

    With `PartialObjectMetadata` as the model, `resource` says whose metadata.
    """

    def __init__(
        self,
        client: Client,
        model: type[M],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, Index[M]] | None = None,
        transform: Transform[M] | None = without_managed_fields,
        resource: Resource | None = None,
    ) -> None:
        self._client = client
        self._model = model
        self._resource = resource or resource_of(model)
        self._where: dict[str, Any] = {
            "namespace": namespace,
            "label_selector": label_selector,
            "field_selector": field_selector,
            "resource": self._resource,
        }
        self._store: Store[M] = Store(indexers)
        self._transform = transform
        self._handlers: List[Handler[M]] = []
        self._synced = asyncio.Event()
        self._revision = ""
        self._list_from = "0"  # any state will do at first; later nothing older than we have seen
        self._backoff = Backoff(RETRY_SECONDS_MIN, 2.0, RETRY_SECONDS_MAX, jitter=1.0)
        self._patience: asyncio.Timeout | None = None  # of the watch that is open
        self._hurry = asyncio.Event()  # no more waiting before the next attempt
        self._asked = self._current = -math.inf  # when the newest watch was, and one that caught up
        self._waiters: List[asyncio.Future[None]] = []  # as many as wait, until the next change

    # -- reading

    def get(self, namespace: str, name: str) -> M | None:
        return self._store.get(namespace, name)

    def list(self, namespace: str = "") -> List[M]:
        return self._store.list(namespace)

    def by_index(self, index: str, value: str) -> List[M]:
        return self._store.by_index(index, value)

    async def synced(self) -> None:
        """Wait until the first list is in."""
        await self._synced.wait()

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def caught_up(self, since: float) -> None:
        """Wait until all that was written before `since`, by the loop's clock, is in.

        The server says so at the beginning of a watch: one that is older is opened anew.
        """
        if self._asked < since:
            self.reconnect()
        await self._until(lambda: self._current >= since)

    async def shows(self, resource_version: str) -> None:
        """Wait until the write that got this resourceVersion, of an object followed here, is in."""
        wanted = _number(resource_version)
        try:
            async with asyncio.timeout(SHOW_SECONDS_MAX):
                await self._until(lambda: _number(self._revision) >= wanted)
        except TimeoutError:  # the watch hangs, or the store was set back to an earlier state
            await self.caught_up(asyncio.get_running_loop().time())

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def revision(self) -> str:
        """The resourceVersion up to which everything is in."""
        return self._revision

    def add_handler(self, handler: Handler[M]) -> None:
        """Tell `handler` of every change as (before, after), starting with what is known already.

        Handlers run inside the watch loop: they map objects to keys and enqueue, nothing more.
        A deletion shows the object's last state as `before` and None as `after`.
        """
        self._handlers.append(handler)
        for obj in self._store.list():
            handler(None, obj)

    # -- following

    def reconnect(self) -> None:
        """Watch over a new connection, now: who knows that the network has healed need not wait
        until the old one notices, which takes TCP up to ten seconds."""
        self._hurry.set()
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """List and watch until cancelled."""
        away = False
        while True:
            try:
                if not self._revision:
                    await self._relist()
                if await self._follow_patiently():
                    continue
            except ApiError as error:
                if away:  # it is back: what it refuses while it starts it soon allows
                    self._backoff.reset()
                    away = False
                if self._forgotten(error):
                    continue
            except ApiUnavailable as error:
                away = True
                log.warning("%s: %s", self._name, error)
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.next()):
                await self._hurry.wait()
        self._hurry.clear()  # not before: who asked amid a failing attempt is heard, too

    def _forgotten(self, error: ApiError) -> bool:
        """Decide where to list from after a refusal; True when it may be done at once."""
        too_new = any(cause.get("reason") == "ResourceVersionTooLarge" for cause in error.causes)
        if error.code != 410 and not too_new:
            log.warning("%s: the server refuses: %s", self._name, error)
            return False
        log.info("%s: revision %s is gone: %s", self._name, self._revision, error)
        # The first time nothing older than what we have seen; when that is refused too (the store
        # was restored from a backup, say), whatever the store holds now.
        self._list_from = "" if too_new else self._revision
        self._revision = ""
        return bool(self._list_from)

    @property
    def _name(self) -> str:
        return f"informer {self._resource.qualified_name}"

    async def _relist(self) -> None:
        found = await self._client.list(
            self._model, resource_version=self._list_from, **self._where
        )
        items = found.items
        if self._transform is not None:
            items = [self._transform(obj) for obj in items]
        for before, after in self._store.replace(items):
            self._tell(before, after)
        self._revision = found.resource_version
        self._backoff.reset()
        self._synced.set()
        self._wake()
        log.debug("%s: listed %d at %s", self._name, len(items), self._revision)

    async def _follow_patiently(self) -> bool:
        """Follow one watch; True when it is to be opened again at once."""
        try:
            async with asyncio.timeout(None) as patience:
                self._patience = patience
                await self._follow()
        except TimeoutError:
            if not patience.expired():
                raise
            return True
        finally:
            self._patience = None
        return False

    async def _follow(self) -> None:
        """Apply one watch's events until it ends."""
        started = time.monotonic()
        asked = self._asked = asyncio.get_running_loop().time()
        heard = False
        watch = self._client.watch(
            self._model,
            resource_version=self._revision,
            timeout_seconds=int(WATCH_SECONDS_MIN * (1 + random.random())),
            progress=True,
            silence_seconds_max=SILENCE_SECONDS_MAX,
            **self._where,
        )
        async with aclosing(watch) as events:  # type: ignore[type-var]  # an async generator, declared as iterator
            async for event in events:
                self._apply(event)
                if event.type == "BOOKMARK":
                    self._current = asked
                if self._waiters:
                    self._wake()
                if not heard:
                    heard = True
                    self._backoff.reset()
        if not heard and time.monotonic() - started < SHORT_WATCH_SECONDS:
            raise ApiUnavailable("the watch ended at once")

    def _apply(self, event: WatchEvent[M]) -> None:
        obj = event.object
        revision = meta_of(obj).resource_version
        if event.type != "BOOKMARK":
            if self._transform is not None:
                obj = self._transform(obj)
            if event.type == "DELETED":
                self._store.remove(key_of(obj))
                self._tell(obj, None)
            else:
                self._tell(self._store.put(obj), obj)
        self._revision = revision or self._revision

    def _tell(self, before: M | None, after: M | None) -> None:
        for handler in self._handlers:
            try:
                handler(before, after)
            except Exception:  # one consumer's bug must not blind the others
                log.exception("%s: a handler failed", self._name)


def _number(resource_version: str) -> int:
    """resourceVersions of one resource are comparable as numbers (KEP-5504)."""
    return int(resource_version) if resource_version.isdigit() else 0
