"""The tables of /debug/api_priority_and_fairness."""

from __future__ import annotations

import asyncio

from apiserver.fairness.dump import dumps
from apiserver.fairness.fairness import Fairness, Place
from apiserver.request import RequestInfo, User
from wherry.api.scheme import BY_PLURAL
from wherry.daemon.clock import SystemClock

GET = RequestInfo("get", "/x", BY_PLURAL["", "v1", "pods"], "default", "a")
JANE = User("jane", groups=("system:authenticated",))


class Nothing:
    """No objects yet: the defaults hold."""

    def stamp(self) -> object:
        return 0

    def schemas(self) -> list:
        return []

    def levels(self) -> list:
        return []


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]


async def test_levels_queues_and_those_who_wait():
    one = Fairness(Nothing(), SystemClock(), total=8, wait_seconds_max=5.0)
    one.look()
    pages = dumps(one)
    places = [one.enter(GET, JANE) for _ in range(20)]
    waiting = [place for place in places if isinstance(place, Place) and place.waiting]
    turns = [asyncio.ensure_future(one.turn(place)) for place in waiting]
    await asyncio.sleep(0)
    levels = {row[0]: row[1:] for row in rows(pages["dump_priority_levels"]())}
    assert levels["exempt"] == ["<none>"] * 5
    assert levels["global-default"][1:4] == ["false", "false", str(len(waiting))]
    header, *queues = rows(pages["dump_queues"]())
    assert header[:3] == ["PriorityLevelName", "Index", "PendingRequests"]
    assert sum(int(row[2]) for row in queues if row[0] == "global-default") == len(waiting)
    _, *requests = rows(pages["dump_requests"]())
    assert len(requests) == len(waiting) > 0
    assert {(row[0], row[1], row[4]) for row in requests} == {
        ("global-default", "global-default", "jane")
    }
    for turn in turns:
        turn.cancel()
    await asyncio.gather(*turns, return_exceptions=True)
    assert len(rows(pages["dump_requests"]())) == 1
