"""A request's turn: plain limits, early bodies, lists that hold their place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.fairness.fairness import Fairness
from apiserver.http.exchange import BODY_BYTES_MAX, ClientGone, Exchange
from apiserver.http.fair import InFlight, Turns
from apiserver.request import RequestContext, RequestInfo, Response, User
from wherry.api.scheme import BY_PLURAL
from wherry.daemon.clock import SystemClock

PODS = BY_PLURAL["", "v1", "pods"]
JANE = User("jane", groups=("system:authenticated",))
ROOT = User("root", groups=("system:masters",))


class Nothing:
    """No objects yet: the defaults hold."""

    def stamp(self) -> object:
        return 0

    def schemas(self) -> list:
        return []

    def levels(self) -> list:
        return []


def context(verb: str, user: User = JANE, **query: str) -> RequestContext:
    info = RequestInfo(verb, "/x", PODS)
    return RequestContext(info, user, query, "", "", "", datetime.now(UTC))


def exchange(body: bytes | None = None, **headers: str) -> Exchange:
    async def receive() -> dict[str, Any]:
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    told = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Exchange({}, receive, told)


@pytest.fixture
def fairness() -> Fairness:
    made = Fairness(Nothing(), SystemClock(), total=64, wait_seconds_max=1.0)
    made.look()
    return made


def taken(fairness: Fairness) -> int:
    return sum(one.queues.executing for one in fairness.levels.values() if one.queues)


async def test_plain_limits_count_reading_and_writing_apart():
    turns = InFlight(1, 1)
    held = asyncio.Event()

    async def handle() -> Response:
        await held.wait()
        return Response()

    first = asyncio.ensure_future(turns.take(context("get"), exchange(), handle))
    write = asyncio.ensure_future(turns.take(context("create"), exchange(), handle))
    await asyncio.sleep(0)
    refused = await turns.take(context("list"), exchange(), handle)
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "1"
    held.set()
    assert (await turns.take(context("list", ROOT), exchange(), handle)).status == 200
    assert (await turns.take(context("watch"), exchange(), handle)).status == 200
    assert [(await one).status for one in (first, write)] == [200, 200]
    assert (await turns.take(context("list"), exchange(), handle)).status == 200


async def test_a_body_is_there_when_the_turn_comes_and_read_once(fairness: Fairness):
    turns = Turns(fairness, lambda _: 0)
    request = exchange(b"body", content_length="4")

    async def handle() -> Response:
        assert request.early == b"body"
        assert taken(fairness) == 1
        return Response(body=await request.body())

    answer = await turns.take(context("create"), request, handle)
    assert answer.body == b"body"
    assert taken(fairness) == 0
    assert request.answer_headers


async def test_who_goes_before_the_body_came_takes_no_place(fairness: Fairness):
    turns = Turns(fairness, lambda _: 0)

    async def handle() -> Response:
        raise AssertionError("nobody is there")

    with pytest.raises(ClientGone):
        await turns.take(context("create"), exchange(content_length="4"), handle)
    assert taken(fairness) == 0


async def test_a_body_that_is_too_large_is_left_to_the_handler(fairness: Fairness):
    request = exchange(b"", content_length=str(BODY_BYTES_MAX + 1))

    async def handle() -> Response:
        assert request.early is None
        return Response(413)

    assert (
        await Turns(fairness, lambda _: 0).take(context("create"), request, handle)
    ).status == 413


async def test_a_place_is_left_when_the_handler_fails(fairness: Fairness):
    async def handle() -> Response:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # whatever it is
        await Turns(fairness, lambda _: 0).take(context("get"), exchange(), handle)
    assert taken(fairness) == 0


@pytest.mark.parametrize("reads_all", [True, False])
async def test_a_long_list_holds_its_place_while_it_is_written(
    fairness: Fairness, reads_all: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("apiserver.http.fair.STREAM_SECONDS_MAX", 0.05)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async def handle() -> Response:
        return Response(body=chunks())

    turns = Turns(fairness, lambda _: 5000)
    answer = await turns.take(context("list"), exchange(), handle)
    assert taken(fairness) == 1
    assert not isinstance(answer.body, bytes)
    if reads_all:
        assert [chunk async for chunk in answer.body] == [b"a", b"b"]
    else:  # a client that does not read holds it for a while only, even if nothing was written
        async with asyncio.timeout(60):
            while taken(fairness):
                await asyncio.sleep(0.01)
    assert taken(fairness) == 0


async def test_a_limit_makes_a_list_narrow(fairness: Fairness):
    seats = []

    async def handle() -> Response:
        seats.append(
            sum(one.queues.executing_seats for one in fairness.levels.values() if one.queues)
        )
        return Response()

    account = User("system:serviceaccount:a:b", groups=("system:serviceaccounts",))
    turns = Turns(fairness, lambda _: 5000)
    await turns.take(context("list", account), exchange(), handle)
    await turns.take(context("list", account, limit="50"), exchange(), handle)
    assert seats[0] > seats[1] == 1
