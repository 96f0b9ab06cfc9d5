"""Fair queues: limits are kept, nothing is lost, a flood delays nobody else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from apiserver.fairness.queueset import NO_QUEUES, QueueSet, Queuing, Refusal, Ticket, deal

QUEUES = Queuing(queues=16, hand_size=4, queue_length_max=5)


def test_seats_are_given_then_queues_then_nothing():
    one = QueueSet(Queuing(1, 1, 2), 2)
    tickets = [one.arrive(0.0, 7, 1) for _ in range(5)]
    running = [t for t in tickets if isinstance(t, Ticket) and not t.waiting]
    waiting = [t for t in tickets if isinstance(t, Ticket) and t.waiting]
    assert (len(running), len(waiting), tickets[4]) == (2, 2, Refusal.QUEUE_FULL)
    assert one.finish(1.0, running[0]) == [waiting[0]], "first come, first served in a queue"
    assert one.finish(1.0, running[0]) == [], "to finish twice is to finish once"
    one.cancel(2.0, waiting[1])
    assert one.waiting == 0
    assert one.finish(3.0, running[1]) == []


def test_a_level_without_queues_refuses():
    one = QueueSet(NO_QUEUES, 1)
    ticket = one.arrive(0.0, 7, 1)
    assert isinstance(ticket, Ticket)
    assert one.arrive(0.0, 7, 1) is Refusal.CONCURRENCY_LIMIT
    one.finish(1.0, ticket)
    assert isinstance(one.arrive(0.0, 7, 1), Ticket)


def test_a_raised_limit_starts_what_waits():
    one = QueueSet(QUEUES, 1)
    tickets = [one.arrive(0.0, flow, 1) for flow in range(4)]
    assert len(one.set_limit(1.0, 3)) == 2
    assert sum(1 for t in tickets if isinstance(t, Ticket) and t.waiting) == 1


def test_what_is_wider_than_the_limit_is_narrowed_to_it():
    one = QueueSet(QUEUES, 4)
    ticket = one.arrive(0.0, 1, 10)
    assert isinstance(ticket, Ticket)
    assert ticket.seats == 4
    waits = one.arrive(0.0, 2, 4)
    assert isinstance(waits, Ticket)
    one.set_limit(0.0, 2)
    assert one.finish(1.0, ticket) == [waits], "it runs alone although the limit fell"


@given(st.integers(0, 2**64 - 1), st.integers(1, 200), st.integers(1, 10))
def test_hands_have_different_cards(flow, deck, size):
    hand = deal(flow, deck, size)
    assert len(hand) == len(set(hand)) == min(size, deck)
    assert all(0 <= card < deck for card in hand)


def test_hands_are_dealt_evenly():
    numbers = random.Random(1)
    dealt = [card for _ in range(4000) for card in deal(numbers.getrandbits(64), 16, 4)]
    counts = [dealt.count(card) for card in range(16)]
    assert max(counts) < 1.2 * min(counts)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_a_flood_delays_others_by_about_one_service(seed, limit):
    """One flow keeps its queues full; another's rare requests start after a few services at most."""
    numbers = random.Random(seed)
    one = QueueSet(Queuing(64, 6, 50), limit)
    flood, rare = numbers.getrandbits(64), numbers.getrandbits(64)
    running: list[tuple[float, int, Ticket]] = []
    now, service, waited = 0.0, 0.01, []
    mine: list[Ticket] = []

    def started(tickets: list[Ticket]) -> None:
        for ticket in tickets:
            running.append((now + service, len(running), ticket))

    for step in range(300):
        while isinstance(got := one.arrive(now, flood, 1), Ticket):
            if not got.waiting:
                started([got])
        if step % 20 == 10:
            got = one.arrive(now, rare, 1)
            assert isinstance(got, Ticket), "its hand is not the flood's"
            mine.append(got)
            if not got.waiting:
                started([got])
        running.sort(key=lambda item: item[0])
        now, _, done = running.pop(0)
        before = [t for t in mine if t.waiting]
        started(one.finish(now, done))
        waited += [t.started_at - t.arrived_at for t in before if not t.waiting]
    hands = set(deal(flood, 64, 6)) & set(deal(rare, 64, 6))
    if len(hands) < 4:
        assert not waited or max(waited) <= 10 * service


def test_two_flows_share_seats_evenly():
    one = QueueSet(Queuing(64, 1, 1000), 2)
    flows = [1, 2]
    assert deal(1, 64, 1) != deal(2, 64, 1)
    running = []
    served = dict.fromkeys(flows, 0)
    for number in range(1600):
        flow = flows[0] if number % 4 else flows[1]  # the one asks three times as often
        got = one.arrive(0.0, flow, 1)
        if isinstance(got, Ticket) and not got.waiting:
            running.append(got)
    now = 0.0
    for _ in range(600):
        now += 0.005
        done = running.pop(0)
        served[done.flow] += 1
        running += one.finish(now, done)
    assert abs(served[1] - served[2]) < 30


class Machine(RuleBasedStateMachine):
    """Any order of events: no seat beyond the limit, no request lost, no seat idle while one waits."""

    def __init__(self) -> None:
        super().__init__()
        self.set = QueueSet(QUEUES, 3)
        self.now = 0.0
        self.tickets: list[Ticket] = []
        self.lowered = False

    @rule(flow=st.integers(0, 5), seats=st.integers(1, 4), passed=st.floats(0, 1))
    def arrive(self, flow: int, seats: int, passed: float) -> None:
        self.now += passed
        got = self.set.arrive(self.now, flow * 7919, seats)
        if isinstance(got, Ticket):
            self.tickets.append(got)

    @precondition(lambda self: any(not t.waiting and not t.done for t in self.tickets))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        running = [t for t in self.tickets if not t.waiting and not t.done]
        self.now += 0.01
        self.set.finish(self.now, data.draw(st.sampled_from(running)))

    @precondition(lambda self: any(t.waiting for t in self.tickets))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.set.cancel(
            self.now, data.draw(st.sampled_from([t for t in self.tickets if t.waiting]))
        )

    @rule(limit=st.integers(1, 6))
    def limit(self, limit: int) -> None:
        self.lowered |= limit < self.set.limit
        self.set.set_limit(self.now, limit)

    @invariant()
    def sums_agree(self) -> None:
        running = [t for t in self.tickets if not t.waiting and not t.done]
        waiting = [t for t in self.tickets if t.waiting]
        assert self.set.executing == len(running)
        assert self.set.executing_seats == sum(t.seats for t in running)
        assert self.set.waiting == len(waiting)
        assert self.set.waiting_seats == sum(t.seats for t in waiting)
        if not self.lowered:
            assert self.set.executing_seats <= self.set.limit
        if waiting:
            assert running, "somebody waits although nothing runs"


TestMachine = Machine.TestCase


@pytest.mark.parametrize("queuing", [QUEUES, NO_QUEUES])
def test_an_empty_set_is_as_new(queuing):
    one = QueueSet(queuing, 2)
    tickets = [one.arrive(0.1 * n, n, 1) for n in range(2)]
    for ticket in tickets:
        assert isinstance(ticket, Ticket)
        one.finish(5.0, ticket)
    assert (one.executing, one.executing_seats, one.waiting, one.waiting_seats) == (0, 0, 0, 0)
