"""The shell around the queues: knows the objects, the time and who waits.

`enter` answers at once while there are seats, which is nearly always. What is limited is how many
requests are *in progress*: one event loop carries them out in turns, so the fewer there are, the sooner
each one's next turn comes. That is why the total has a bound of its own (`SEATS_MAX`) below the two
flags' sum: beyond it requests would only wait inside the loop, where nothing is fair.

Source: k8s.io/apiserver/pkg/util/flowcontrol (apf_controller.go, apf_filter.go).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

from apiserver.fairness.queueset import NO_QUEUES, QueueSet, Queuing, Refusal, Ticket
from apiserver.fairness.schemas import Schema, Schemas
from apiserver.fairness.shares import Demand, Level, Limits, current_limits, nominal_limits
from apiserver.registry.flowcontrol.bootstrap import (
    FIXED_FLOW_SCHEMAS,
    FIXED_PRIORITY_LEVELS,
    FLOW_SCHEMAS,
    PRIORITY_LEVELS,
)
from apiserver.request import RequestInfo, User
from apiserver.tally import SECONDS, Tally
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

SEATS_MAX = 128
ADJUST_SECONDS = 1.0  # between two looks at objects and demand
OBJECTS_PER_SEAT = 100  # of a list
WIDTH_MAX = 10  # seats of one request
WIDTH_PART = 0.15  # of its level's nominal seats that one request may take
_HASH_BITS = (1 << 64) - 1

Tree = Mapping[str, Any]
Headers = tuple[tuple[bytes, bytes], ...]


class Objects(Protocol):
    """The FlowSchemas and PriorityLevelConfigurations as they are now; `stamp` tells a change."""

    def stamp(self) -> object: ...

    def schemas(self) -> list[Tree]: ...

    def levels(self) -> list[Tree]: ...


class LevelState:
    """A priority level at work. `queues` None = exempt."""

    def __init__(self, level: Level, uid: str, queuing: Queuing | None, now: float) -> None:
        self.level = level
        self.uid = uid
        self.queues = None if queuing is None else QueueSet(queuing, 1)
        self.limits = Limits(0, 0, 0)
        self.demand = Demand(now)
        self.target = 0.0
        self.mean = self.deviation = 0.0
        self.high = 0
        self.executing_exempt = 0
        self.width_max = 1


class Place:
    """A request's place: it runs, or waits for `turn`. Leave it exactly once or more often."""

    __slots__ = ("_fairness", "flow", "headers", "schema", "state", "ticket")

    def __init__(
        self, fairness: Fairness, state: LevelState, schema: Schema, ticket: Ticket | None
    ) -> None:
        self._fairness = fairness
        self.state = state
        self.schema = schema
        self.ticket = ticket
        self.headers: Headers = ()
        self.flow = ""

    @property
    def waiting(self) -> bool:
        return self.ticket is not None and self.ticket.waiting

    def leave(self) -> None:
        """The request is done with; others start."""
        if self.ticket is not None:
            self._fairness.finish(self, self.ticket)


class Fairness:
    """See the module. `objects` tells FlowSchemas and PriorityLevelConfigurations as they are now."""

    def __init__(
        self, objects: Objects, clock: Clock, *, total: int, wait_seconds_max: float
    ) -> None:
        self._objects = objects
        self._clock = clock
        self.total = min(total, SEATS_MAX)
        self._wait_seconds_max = wait_seconds_max
        self._seen: object = None
        self._wanted: Mapping[str, tuple[int, float]] | None = None
        self._waiters: dict[Ticket, tuple[asyncio.Future[None], Place]] = {}
        self.levels: dict[str, LevelState] = {}
        self._schemas = Schemas([_catch_all()])
        self._headers: dict[tuple[str, str], Headers] = {}
        self.refused: dict[tuple[str, str, str], int] = {}
        self.dispatched: dict[tuple[str, str], int] = {}
        self.waits = Tally[tuple[str, str, str]](SECONDS)
        self.runs = Tally[tuple[str, str]](SECONDS)
        self.fraction = 1.0
        self._configure([], [])

    async def run(self) -> None:
        """Follow the objects and let levels lend and borrow, for ever."""
        while True:
            self.look()
            await self._clock.sleep(ADJUST_SECONDS)

    # --- a request's way ---

    def enter(self, info: RequestInfo, user: User, objects: int = 0) -> Place | Refusal:
        """A place for a request that reads so many objects. Refusal: answer 429."""
        schema = self._schemas.of(info, user)
        state = self.levels.get(schema.level) or self.levels["catch-all"]
        queues = state.queues
        place = Place(self, state, schema, None)
        place.headers = self._headers.get((schema.uid, state.uid)) or self._told(schema, state)
        if queues is None:
            self._count(place)
            return place
        now = time.monotonic()
        width = 1
        if objects > OBJECTS_PER_SEAT:
            width = min(-(-objects // OBJECTS_PER_SEAT), state.width_max)
        place.flow = schema.flow(info, user)
        flow = hash((schema.name, place.flow)) & _HASH_BITS
        ticket = queues.arrive(now, flow, width)
        if isinstance(ticket, Refusal):
            self._refuse(place, ticket)
            return ticket
        place.ticket = ticket
        state.demand.set(now, queues.executing_seats + queues.waiting_seats)
        if ticket.started_at >= 0:
            self._count(place)
        return place

    async def turn(self, place: Place) -> Refusal | None:
        """Wait for a place's turn; a refusal when it takes too long."""
        ticket, queues = place.ticket, place.state.queues
        assert ticket is not None, "only tickets wait"
        assert queues is not None, "nothing waits at an exempt level"
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[ticket] = waiter, place
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await waiter
        except TimeoutError:
            if ticket.waiting:
                self._give_up(place, ticket, Refusal.TIME_OUT)
                return Refusal.TIME_OUT
        except asyncio.CancelledError:
            if ticket.waiting:
                self._give_up(place, ticket, Refusal.CANCELLED)
            else:
                place.leave()
            raise
        finally:
            self._waiters.pop(ticket, None)
        self._count(place)
        return None

    def waiting(self) -> dict[Ticket, Place]:
        """Who waits, as of now."""
        return {ticket: place for ticket, (_, place) in self._waiters.items()}

    def finish(self, place: Place, ticket: Ticket) -> None:
        """A place is left: see `Place.leave`."""
        queues = place.state.queues
        if ticket.done or queues is None:
            return
        now = time.monotonic()
        started = queues.finish(now, ticket)
        state = place.state
        state.demand.set(now, queues.executing_seats + queues.waiting_seats)
        self.runs.add((place.schema.name, state.level.name), now - ticket.started_at)
        self._wake(started)

    def _wake(self, started: list[Ticket]) -> None:
        for ticket in started:
            found = self._waiters.get(ticket)
            if found is not None and not found[0].done():
                found[0].set_result(None)

    def _give_up(self, place: Place, ticket: Ticket, why: Refusal) -> None:
        queues = place.state.queues
        assert queues is not None, "nothing waits at an exempt level"
        now = time.monotonic()
        queues.cancel(now, ticket)
        place.state.demand.set(now, queues.executing_seats + queues.waiting_seats)
        self._refuse(place, why)
        self.waits.add(
            (place.schema.name, place.state.level.name, "false"), now - ticket.arrived_at
        )

    def _refuse(self, place: Place, why: Refusal) -> None:
        key = (place.schema.name, place.state.level.name, why.value)
        self.refused[key] = self.refused.get(key, 0) + 1

    def _count(self, place: Place) -> None:
        key = (place.schema.name, place.state.level.name)
        self.dispatched[key] = self.dispatched.get(key, 0) + 1
        ticket = place.ticket
        if ticket is not None:
            self.waits.add((*key, "true"), ticket.started_at - ticket.arrived_at)

    def _told(self, schema: Schema, state: LevelState) -> Headers:
        headers = (
            (b"x-kubernetes-pf-flowschema-uid", schema.uid.encode()),
            (b"x-kubernetes-pf-prioritylevel-uid", state.uid.encode()),
        )
        self._headers[schema.uid, state.uid] = headers
        return headers

    # --- objects, lending and borrowing ---

    def look(self) -> None:
        """Take up changed objects; share seats out by what levels wanted since the last look."""
        seen = self._objects.stamp()
        if seen != self._seen:
            self._seen = seen
            self._configure(self._objects.schemas(), self._objects.levels())
            self._wanted = None
        self._share()

    def _configure(self, schemas: list[Tree], levels: list[Tree]) -> None:
        """New objects. While there are none (the cache is not filled), upstream's defaults hold."""
        now = time.monotonic()
        found = {one["metadata"]["name"]: (one["metadata"]["uid"], one["spec"]) for one in levels}
        specs = {
            name: ("", spec)
            for name, spec in (FIXED_PRIORITY_LEVELS if levels else PRIORITY_LEVELS).items()
        }
        numbers, states = [], {}
        for name, (uid, spec) in {**specs, **found}.items():
            level, queuing = _level(name, spec)
            numbers.append(level)
            before = self.levels.get(name)
            if before is not None and _same_queues(before, queuing):
                before.level, before.uid = level, uid
                states[name] = before
            else:  # what waits in the old queues is carried out there
                states[name] = LevelState(level, uid, queuing, now)
        limits = nominal_limits(numbers, self.total)
        for name, state in states.items():
            state.limits = limits[name]
            part = int(limits[name].nominal * WIDTH_PART)
            state.width_max = max(1, min(WIDTH_MAX, part))
            if state.queues is not None and self.levels.get(name) is not state:
                state.queues.limit = max(1, limits[name].nominal)
        self.levels = states
        self._headers = {}
        self._schemas = Schemas(_schemas(schemas, states))

    def _share(self) -> None:
        now = time.monotonic()
        wanted: dict[str, tuple[int, float]] = {}
        for name, state in self.levels.items():
            state.high, state.mean, state.deviation = state.demand.look(now)
            if state.queues is not None:
                wanted[name] = (state.high, state.demand.smooth)
        if wanted == self._wanted:
            return
        self._wanted = wanted
        limits = {name: self.levels[name].limits for name in wanted}
        for name, seats in current_limits(limits, wanted, self.total).items():
            state = self.levels[name]
            assert state.queues is not None, "only limited levels want seats"
            state.target = max(wanted[name][1], float(limits[name].lower))
            if seats != state.queues.limit:
                self._wake(state.queues.set_limit(now, seats))


def _level(name: str, spec: Tree) -> tuple[Level, Queuing | None]:
    if spec.get("type") == "Exempt":
        exempt = spec.get("exempt") or {}
        shares = exempt.get("nominalConcurrencyShares", 0)
        return Level(name, True, shares, exempt.get("lendablePercent", 0)), None
    limited = spec.get("limited") or {}
    response = limited.get("limitResponse") or {}
    queuing = NO_QUEUES
    if response.get("type") == "Queue":
        given = response.get("queuing") or {}
        queuing = Queuing(
            given.get("queues", 64), given.get("handSize", 8), given.get("queueLengthLimit", 50)
        )
    level = Level(
        name,
        False,
        limited.get("nominalConcurrencyShares", 30),
        limited.get("lendablePercent", 0),
        limited.get("borrowingLimitPercent"),
    )
    return level, queuing


def _same_queues(state: LevelState, queuing: Queuing | None) -> bool:
    return (state.queues.queuing if state.queues is not None else None) == queuing


def _schemas(schemas: list[Tree], levels: Mapping[str, LevelState]) -> list[Schema]:
    """Those whose level is there; the fixed ones always."""
    fixed = FIXED_FLOW_SCHEMAS if schemas else FLOW_SCHEMAS
    found = {name: Schema.of(name, "", spec) for name, spec in fixed.items()}
    for one in schemas:
        name, metadata = one["metadata"]["name"], one["metadata"]
        schema = Schema.of(name, metadata["uid"], one["spec"])
        if schema.level in levels:
            found[name] = schema
    return list(found.values())


def _catch_all() -> Schema:
    return Schema.of("catch-all", "", FIXED_FLOW_SCHEMAS["catch-all"])
