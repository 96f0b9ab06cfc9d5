"""Fair queues of one priority level: values in, decisions out. No clock, no I/O.

A request belongs to a *flow*. Shuffle sharding deals each flow a hand of queues; a request joins the
queue of its hand that holds least. While seats are free, the request at the head of the queue that has
been served least comes first, measured in virtual time: as if every queue had been served at once, a
bit at a time. So a flow that floods fills its own hand of queues and delays nobody else.

Source: k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/queueset (doc.go, queueset.go) and shufflesharding.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field

# What a request is taken to last, in seconds, until it has: only the order of queues hangs on it.
SERVICE_SECONDS = 0.003
HANDS_MAX = 4096  # remembered hands of flows


class Refusal(enum.Enum):
    """Why a request is not taken, as metrics call it."""

    QUEUE_FULL = "queue-full"
    CONCURRENCY_LIMIT = "concurrency-limit"
    TIME_OUT = "time-out"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Queuing:
    """How a level queues; `queues=0` = it does not: what finds no seat is refused."""

    queues: int
    hand_size: int
    queue_length_max: int


NO_QUEUES = Queuing(0, 0, 0)


@dataclass(slots=True, eq=False)
class Ticket:
    """A request in the set. `seats` as long as it runs; `started_at` is negative while it waits."""

    flow: int
    seats: int
    arrived_at: float
    queue: Queue | None = None
    started_at: float = -1.0
    done: bool = False

    @property
    def waiting(self) -> bool:
        return self.started_at < 0 and not self.done


@dataclass(slots=True, eq=False)
class Queue:
    """One queue. `next_start` is the virtual time at which its head would begin."""

    waiting: deque[Ticket] = field(default_factory=deque)
    waiting_seats: int = 0
    executing_seats: int = 0
    executing: int = 0
    next_start: float = 0.0


class QueueSet:
    """See the module. `limit` is in seats; what is running when it falls runs on."""

    def __init__(self, queuing: Queuing, limit: int) -> None:
        self.queuing = queuing
        self.limit = limit
        self.executing = 0  # requests
        self.executing_seats = 0
        self.waiting = 0
        self.waiting_seats = 0
        self.queues = [Queue() for _ in range(queuing.queues)]
        self._busy: dict[Queue, None] = {}  # queues in which something waits
        self._active = 0  # queues that hold or serve something
        self._virtual = 0.0
        self._virtual_at = 0.0
        self._hands: dict[int, tuple[Queue, ...]] = {}

    def arrive(self, now: float, flow: int, seats: int) -> Ticket | Refusal:
        """A request: a ticket that runs at once (not `waiting`), one that waits, or a refusal."""
        self._advance(now)
        seats = max(1, min(seats, self.limit))
        ticket = Ticket(flow, seats, now)
        if not self.queues:
            if self.executing_seats + seats > self.limit:
                return Refusal.CONCURRENCY_LIMIT
            self._start(ticket, now)
            return ticket
        queue = self._shortest(flow)
        if not self.waiting and self.executing_seats + seats <= self.limit:
            ticket.queue = queue
            self._wake(queue)
            self._start(ticket, now)
            return ticket
        if len(queue.waiting) >= self.queuing.queue_length_max:
            return Refusal.QUEUE_FULL
        self._wake(queue)
        ticket.queue = queue
        queue.waiting.append(ticket)
        self._busy[queue] = None
        queue.waiting_seats += seats
        self.waiting += 1
        self.waiting_seats += seats
        return ticket

    def finish(self, now: float, ticket: Ticket) -> list[Ticket]:
        """A running request is done; those that start now."""
        assert ticket.started_at >= 0, "only what runs can finish"
        if ticket.done:
            return []
        self._advance(now)
        ticket.done = True
        self.executing -= 1
        self.executing_seats -= ticket.seats
        queue = ticket.queue
        if queue is not None:
            queue.executing -= 1
            queue.executing_seats -= ticket.seats
            # The queue was charged a guess; what the request really took is known now.
            took = now - ticket.started_at
            queue.next_start += (took - SERVICE_SECONDS) * ticket.seats
            self._sleep(queue)
        return self.dispatch(now)

    def cancel(self, now: float, ticket: Ticket) -> None:
        """A waiting request is given up."""
        if not ticket.waiting:
            return
        self._advance(now)
        queue = ticket.queue
        assert queue is not None, "what waits, waits in a queue"
        queue.waiting.remove(ticket)
        ticket.done = True
        self._left(queue, ticket)
        self._sleep(queue)

    def set_limit(self, now: float, limit: int) -> list[Ticket]:
        """Another number of seats; those that start now."""
        self._advance(now)
        self.limit = limit
        return self.dispatch(now)

    def dispatch(self, now: float) -> list[Ticket]:
        """Start what there are seats for, the least served queue first."""
        started: list[Ticket] = []
        while self.waiting:
            queue = min(
                self._busy,
                key=lambda one: one.next_start + SERVICE_SECONDS * one.waiting[0].seats,
            )
            ticket = queue.waiting[0]
            # A wide one that could never fit a lowered limit runs when nothing else does.
            fits = self.executing_seats + ticket.seats <= self.limit
            if not fits and (self.executing or not self.limit):
                break
            queue.waiting.popleft()
            self._left(queue, ticket)
            self._start(ticket, now)
            started.append(ticket)
        return started

    def _start(self, ticket: Ticket, now: float) -> None:
        ticket.started_at = now
        self.executing += 1
        self.executing_seats += ticket.seats
        queue = ticket.queue
        if queue is not None:
            queue.executing += 1
            queue.executing_seats += ticket.seats
            queue.next_start += SERVICE_SECONDS * ticket.seats

    def _left(self, queue: Queue, ticket: Ticket) -> None:
        queue.waiting_seats -= ticket.seats
        if not queue.waiting:
            del self._busy[queue]
        self.waiting -= 1
        self.waiting_seats -= ticket.seats

    def _wake(self, queue: Queue) -> None:
        """A queue that was idle has not saved up service: it begins at the present."""
        if not queue.waiting and not queue.executing:
            self._active += 1
            queue.next_start = max(queue.next_start, self._virtual)

    def _sleep(self, queue: Queue) -> None:
        if not queue.waiting and not queue.executing:
            self._active -= 1

    def _advance(self, now: float) -> None:
        """Virtual time passes as fast as each active queue is served."""
        passed = now - self._virtual_at
        self._virtual_at = now
        if self._active and passed > 0:
            served = min(self.executing_seats + self.waiting_seats, self.limit)
            self._virtual += passed * served / self._active

    def _shortest(self, flow: int) -> Queue:
        hand = self._hands.get(flow)
        if hand is None:
            if len(self._hands) >= HANDS_MAX:
                self._hands.clear()
            dealt = deal(flow, len(self.queues), self.queuing.hand_size)
            hand = self._hands[flow] = tuple(self.queues[index] for index in dealt)
        best = hand[0]
        least = best.waiting_seats + best.executing_seats
        for queue in hand:
            holds = queue.waiting_seats + queue.executing_seats
            if holds < least:
                best, least = queue, holds
        return best


def deal(flow: int, deck_size: int, hand_size: int) -> list[int]:
    """A hand of different cards out of a deck, told by a number (64 bits or more)."""
    hand: list[int] = []
    for dealt in range(min(hand_size, deck_size)):
        flow, card = divmod(flow, deck_size - dealt)
        # The card-th of those that are left.
        for other in sorted(hand):
            if other <= card:
                card += 1
        hand.append(card)
    return hand
