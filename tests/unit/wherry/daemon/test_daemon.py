"""Clock, back-off, logs and health: the small things every daemon stands on."""

import asyncio
import logging
import sys

import pytest
from prometheus_client import CollectorRegistry, Counter

from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import FakeClock, SystemClock
from wherry.daemon.health import answer
from wherry.daemon.logs import LineFormatter, level_of


class Fixed:
    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


def test_backoff_grows_to_its_maximum_and_starts_again():
    backoff = Backoff(1.0, 2.0, 5.0, jitter=0.0)
    assert [backoff.next() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next() == 1.0


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 1.0), (0.5, 1.25), (1.0, 1.5)])
def test_jitter_only_lengthens(chance, delay):
    assert Backoff(1.0, jitter=0.5, chance=Fixed(chance)).next() == delay


async def test_fake_clock_wakes_whoever_is_due():
    clock = FakeClock()
    start = clock.now()
    sleepers = {seconds: asyncio.ensure_future(clock.sleep(seconds)) for seconds in (3, 1, 2)}
    await asyncio.sleep(0)
    assert clock.sleepers == 3
    clock.advance(2)
    await asyncio.wait_for(asyncio.gather(sleepers[1], sleepers[2]), 1)
    assert not sleepers[3].done()
    assert clock.monotonic() == 2
    assert (clock.now() - start).total_seconds() == 2
    clock.advance(1)
    await asyncio.wait_for(sleepers[3], 1)


async def test_system_clock_moves():
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.001)
    assert clock.monotonic() > before
    assert clock.now().tzinfo is not None


def record(message, *arguments, exc_info=None):
    made = logging.LogRecord("x", logging.INFO, "f", 1, message, arguments, exc_info)
    made.created = 1795280400.1239
    return made


def test_a_record_is_one_line():
    line = LineFormatter("wherry-x").format(record("bound %s", "a\nb"))
    assert line == "2026-11-21T17:00:00.123Z INFO wherry-x bound a\\nb"


def test_a_traceback_follows_indented():
    try:
        raise ValueError("no")
    except ValueError:
        text = LineFormatter("x").format(record("failed", exc_info=sys.exc_info()))
    first, *rest = text.splitlines()
    assert first.endswith("failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1].endswith("ValueError: no")


@pytest.mark.parametrize(("verbosity", "level"), [(0, logging.INFO), (4, logging.DEBUG)])
def test_verbosity(verbosity, level):
    assert level_of(verbosity) == level


CHECKS = {"good": lambda: None, "bad": lambda: "no leader"}


@pytest.mark.parametrize(
    ("target", "checks", "status", "body"),
    [
        ("/healthz", {}, 200, b"ok"),
        ("/readyz?verbose", {"good": CHECKS["good"]}, 200,
         b"[+]ping ok\n[+]good ok\nreadyz check passed\n"),
        ("/livez", CHECKS, 500,
         b"[+]ping ok\n[+]good ok\n[-]bad failed: no leader\nlivez check failed\n"),
        ("/healthz/good", CHECKS, 200, b"ok"),
        ("/healthz/ping", CHECKS, 200, b"ok"),
        ("/healthz/none", CHECKS, 404, b"404 page not found\n"),
        ("/", {}, 404, b"404 page not found\n"),
    ],
)  # fmt: skip
def test_health_answers(target, checks, status, body):
    assert (status, body) == answer(target, checks, CollectorRegistry())[::2]


def test_metrics_are_this_registrys():
    registry = CollectorRegistry()
    Counter("moves", "Moves", registry=registry).inc()
    status, kind, body = answer("/metrics", {}, registry)
    assert status == 200
    assert kind.startswith("text/plain")
    assert b"moves_total 1.0" in body
    assert b"_created" not in body  # upstream has none
