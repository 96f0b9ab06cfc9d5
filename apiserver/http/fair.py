"""A request's turn: its place in the queues of priority and fairness while it is answered.

Streams that last (watches, logs, exec) take a place only until they have begun. A small body is read
before a place is taken, so that a client that sends slowly keeps nobody waiting; a long list holds its
place while it is written, but not for a client that reads slowly.

Source: k8s.io/apiserver/pkg/server/filters/priority-and-fairness.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from apiserver.fairness.fairness import Fairness, Place
from apiserver.fairness.queueset import Refusal
from apiserver.http.exchange import BODY_BYTES_MAX, ClientGone, Exchange
from apiserver.request import RequestContext, RequestInfo, Response, User
from wherry.api.numerals import whole
from wherry.api.scheme import Resource

RETRY_AFTER_SECONDS = 1
STREAM_SECONDS_MAX = 10.0  # that writing a list may hold a place
EARLY_BYTES_MAX = 64 * 1024 * 1024  # of bodies that are read before their turn, all together
WITH_BODY: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})

MASTERS: Final = "system:masters"

A = TypeVar("A")


class Turns:
    """Carries requests out in their turn. `sizes` tells how many objects of a resource there are."""

    def __init__(self, fairness: Fairness, sizes: Callable[[Resource], int]) -> None:
        self._fairness = fairness
        self._sizes = sizes
        self._early_bytes = 0

    async def take(
        self, ctx: RequestContext, exchange: Exchange, handle: Callable[[], Awaitable[A]]
    ) -> A | Response:
        """The handler's answer when it is the request's turn; 429 when there is no place for it."""
        verb = ctx.info.verb
        reserved = await self._read_early(exchange) if verb in WITH_BODY else 0
        try:
            objects = self._objects(ctx) if verb == "list" else 0
            place = self._fairness.enter(ctx.info, ctx.user, objects)
            if isinstance(place, Refusal):
                return too_many()
            if place.waiting:
                if await self._fairness.turn(place) is not None:
                    return too_many()
                if exchange.connection.transport.is_closing():
                    place.leave()
                    raise ClientGone
        finally:
            self._early_bytes -= reserved
        exchange.answer_headers = place.headers
        try:
            answer = await handle()
        except BaseException:
            place.leave()
            raise
        if verb == "list" and isinstance(answer, Response) and not isinstance(answer.body, bytes):
            answer.body = _held(place, answer.body)
        else:
            place.leave()
        return answer

    async def page(self, info: RequestInfo, user: User) -> Place | None:
        """A place for a request that is no resource's; none when there is none to be had."""
        place = self._fairness.enter(info, user)
        if isinstance(place, Refusal):
            return None
        if place.waiting and await self._fairness.turn(place) is not None:
            return None
        return place

    def _objects(self, ctx: RequestContext) -> int:
        """About how many objects a list will read; one namespace's are taken to be few."""
        info = ctx.info
        if info.resource is None or info.namespace or info.name:
            return 0
        limit = whole(ctx.query.get("limit", "")) or 0
        size = self._sizes(info.resource)
        return min(size, limit) if limit > 0 else size

    async def _read_early(self, exchange: Exchange) -> int:
        """Read the body if it may be kept; how many bytes of the common store it takes."""
        declared = exchange.headers.get(b"content-length")
        if declared is not None:
            size = int(declared)
        else:
            size = BODY_BYTES_MAX if b"transfer-encoding" in exchange.headers else 0
        if not 0 < size <= BODY_BYTES_MAX or self._early_bytes + size > EARLY_BYTES_MAX:
            return 0
        self._early_bytes += size
        try:
            await exchange.read_early()
        except BaseException:
            self._early_bytes -= size
            raise
        return size


class InFlight:
    """Without priority and fairness: so many requests at once, reading and writing apart."""

    def __init__(self, reading_max: int, writing_max: int) -> None:
        self._free = {False: reading_max, True: writing_max}

    async def take(
        self, ctx: RequestContext, exchange: Exchange, handle: Callable[[], Awaitable[A]]
    ) -> A | Response:
        """The handler's answer; 429 when there are too many. Watches and masters are not counted."""
        verb = ctx.info.verb
        if verb == "watch" or MASTERS in ctx.user.groups:
            return await handle()
        writes = verb in WITH_BODY
        if self._free[writes] <= 0:
            return too_many()
        self._free[writes] -= 1
        try:
            return await handle()
        finally:
            self._free[writes] += 1


def _held(place: Place, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same stream; the place is left at its end, or when it takes long (or never starts)."""
    timer = asyncio.get_running_loop().call_later(STREAM_SECONDS_MAX, place.leave)
    return _then_left(place, chunks, timer)


async def _then_left(
    place: Place, chunks: AsyncIterator[bytes], timer: asyncio.TimerHandle
) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        timer.cancel()
        place.leave()


def too_many() -> Response:
    """What is told to those for whom there is no place."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "X-Content-Type-Options": "nosniff"}
    body = b"Too many requests, please try again later.\n"
    return Response(429, body, "text/plain; charset=utf-8", headers)
