"""The shell of fairness: objects taken up, turns waited for, given up, timed out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.fairness.fairness import SEATS_MAX, Fairness, Place
from apiserver.fairness.queueset import Refusal
from apiserver.registry.flowcontrol.bootstrap import FLOW_SCHEMAS, PRIORITY_LEVELS
from apiserver.request import RequestInfo, User
from wherry.api.scheme import BY_PLURAL
from wherry.daemon.clock import SystemClock

PODS = BY_PLURAL["", "v1", "pods"]
GET = RequestInfo("get", "/x", PODS, "default", "a")
JANE = User("jane", groups=("system:authenticated",))
ROOT = User("root", groups=("system:masters", "system:authenticated"))


class Objects:
    """What a cache would tell."""

    def __init__(self) -> None:
        self.revision = 0
        self.found: dict[str, dict[str, Any]] = {"schemas": {}, "levels": {}}

    def put(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        self.revision += 1
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(self.revision)}
        self.found[kind][name] = {"metadata": metadata, "spec": spec}

    def stamp(self) -> object:
        return self.revision

    def schemas(self) -> list[Any]:
        return list(self.found["schemas"].values())

    def levels(self) -> list[Any]:
        return list(self.found["levels"].values())


def defaults() -> Objects:
    objects = Objects()
    for name, spec in PRIORITY_LEVELS.items():
        objects.put("levels", name, dict(spec))
    for name, spec in FLOW_SCHEMAS.items():
        objects.put("schemas", name, dict(spec))
    return objects


def tiny(queues: int = 0) -> dict[str, Any]:
    response: dict[str, Any] = {"type": "Reject"}
    if queues:
        queuing = {"queues": queues, "handSize": 1, "queueLengthLimit": 2}
        response = {"type": "Queue", "queuing": queuing}
    limited = {
        "nominalConcurrencyShares": 1, "limitResponse": response, "borrowingLimitPercent": 0,
    }  # fmt: skip
    return {"type": "Limited", "limited": limited}


def schema(level: str) -> dict[str, Any]:
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
    return {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": 5,
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": "jane"}}],
                "resourceRules": [everything],
            }
        ],
    }


def fairness(objects: Objects, seconds: float = 5.0) -> Fairness:
    made = Fairness(objects, SystemClock(), total=600, wait_seconds_max=seconds)
    made.look()
    return made


def entered(one: Fairness, user: User = JANE) -> Place:
    place = one.enter(GET, user)
    assert isinstance(place, Place)
    return place


def test_before_there_are_objects_the_defaults_hold():
    one = fairness(Objects())
    assert entered(one).schema.name == "global-default"
    assert entered(one, ROOT).schema.name == "exempt"
    assert sum(state.limits.nominal for state in one.levels.values()) >= SEATS_MAX
    assert one.total == SEATS_MAX


def test_changed_objects_are_taken_up_and_headers_name_them():
    objects = defaults()
    one = fairness(objects)
    assert entered(one).headers == (
        (b"x-kubernetes-pf-flowschema-uid", b"uid-global-default"),
        (b"x-kubernetes-pf-prioritylevel-uid", b"uid-global-default"),
    )
    objects.put("levels", "tiny", tiny())
    objects.put("schemas", "jane", schema("tiny"))
    one.look()
    place = entered(one)
    assert (place.schema.name, place.state.level.name) == ("jane", "tiny")
    assert one.enter(GET, JANE) is Refusal.CONCURRENCY_LIMIT
    assert one.refused == {("jane", "tiny", "concurrency-limit"): 1}
    place.leave()
    assert entered(one).schema.name == "jane"


def test_a_schema_without_its_level_is_passed_over_and_the_fixed_ones_never_go():
    objects = defaults()
    objects.put("schemas", "jane", schema("nowhere"))
    for kind in ("levels", "schemas"):
        for name in ("exempt", "catch-all"):
            del objects.found[kind][name]
    one = fairness(objects)
    assert entered(one).schema.name == "global-default"
    assert entered(one, ROOT).state.queues is None
    assert entered(one, User("nobody")).state.level.name == "catch-all"


def test_wide_lists_take_more_seats_but_not_the_whole_level():
    one = fairness(defaults())
    account = User("system:serviceaccount:a:b", groups=("system:serviceaccounts",))
    place = one.enter(RequestInfo("list", "/x", PODS), account, 100_000)
    assert isinstance(place, Place)
    assert place.ticket is not None
    assert 1 < place.ticket.seats <= 10
    place.leave()


def test_demand_raises_a_level_s_limit():
    one = fairness(defaults())
    before = one.levels["global-default"].queues
    assert before is not None
    start = before.limit
    places = [entered(one, User(f"u{n}", groups=JANE.groups)) for n in range(40)]
    assert any(place.waiting for place in places)
    one.look()
    assert before.limit > start
    assert sum(place.waiting for place in places) < 40 - start
    for place in places:
        if not place.waiting:
            place.leave()


@pytest.fixture
def narrow() -> Fairness:
    objects = defaults()
    objects.put("levels", "tiny", tiny(queues=1))
    objects.put("schemas", "jane", schema("tiny"))
    return fairness(objects, seconds=0.05)


async def test_a_turn_comes_when_a_place_is_left(narrow: Fairness):
    first, second = entered(narrow), entered(narrow)
    assert (first.waiting, second.waiting) == (False, True)
    turn = asyncio.ensure_future(narrow.turn(second))
    await asyncio.sleep(0)
    first.leave()
    assert await turn is None
    assert not second.waiting
    first.leave()  # twice is once
    second.leave()
    assert narrow.dispatched["jane", "tiny"] == 2


async def test_who_waits_too_long_is_refused_and_holds_nothing(narrow: Fairness):
    first, second = entered(narrow), entered(narrow)
    assert await narrow.turn(second) is Refusal.TIME_OUT
    first.leave()
    assert not entered(narrow).waiting


async def test_who_is_cancelled_holds_nothing(narrow: Fairness):
    first, second, third = entered(narrow), entered(narrow), entered(narrow)
    waiting = asyncio.ensure_future(narrow.turn(second))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    turn = asyncio.ensure_future(narrow.turn(third))
    await asyncio.sleep(0)
    first.leave()
    turn.cancel()  # just when its turn has come
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert not entered(narrow).waiting
