"""Who may lead: the decision over a Lease."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.client.election import Durations, Election

WALL = datetime(2026, 1, 1, tzinfo=UTC)
DURATIONS = Durations(15, 10, 2)


def candidate(name):
    return Election("kube-system", "x", name, DURATIONS)


def test_no_lease_is_taken():
    a = candidate("a")
    a.observe(None, 0.0)
    lease = a.wish(0.0, WALL)
    assert (lease.metadata.namespace, lease.metadata.name) == ("kube-system", "x")
    assert lease.spec.holder_identity == "a"
    assert lease.spec.lease_duration_seconds == 15
    assert lease.spec.lease_transitions == 0
    a.observe(lease, 0.0)
    assert a.leading


def test_a_leader_renews_and_keeps_its_dates():
    a = candidate("a")
    first = a.wish(0.0, WALL)
    a.observe(first, 0.0)
    again = a.wish(2.0, WALL + timedelta(seconds=2))
    assert again.spec.acquire_time == WALL
    assert again.spec.renew_time == WALL + timedelta(seconds=2)
    assert again.spec.lease_transitions == 0


def test_a_live_lease_is_respected_until_seen_unchanged_for_its_duration():
    a, b = candidate("a"), candidate("b")
    lease = a.wish(0.0, WALL)
    b.observe(lease, 100.0)
    assert b.wish(114.0, WALL) is None
    assert (b.expires_in(114.0), b.expires_in(115.5)) == (1.0, 0.0)
    b.observe(lease, 114.5)  # unchanged: the clock runs on
    taken = b.wish(115.0, WALL)
    assert taken.spec.holder_identity == "b"
    assert taken.spec.lease_transitions == 1


def test_a_renewal_starts_the_wait_anew_whatever_its_dates_say():
    a, b = candidate("a"), candidate("b")
    lease = a.wish(0.0, WALL)
    a.observe(lease, 0.0)
    b.observe(lease, 0.0)
    b.observe(a.wish(10.0, WALL - timedelta(days=9)), 10.0)
    assert b.wish(24.0, WALL) is None
    assert b.wish(25.0, WALL) is not None


def test_a_released_lease_is_free_at_once():
    a, b = candidate("a"), candidate("b")
    a.observe(a.wish(0.0, WALL), 0.0)
    released = a.release(WALL)
    assert (released.spec.holder_identity, released.spec.lease_duration_seconds) == ("", 1)
    b.observe(released, 0.0)
    assert b.wish(0.0, WALL).spec.holder_identity == "b"
    assert b.release(WALL) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 9.0)), max_size=60))
def test_never_two_leaders_while_renewals_are_honest(steps):
    """Candidates look and write in any order, atomically as the server's resourceVersion makes it."""
    held, now, valid_until = None, 0.0, {}
    everyone = {name: candidate(name) for name in "abc"}
    for name, seconds in steps:
        now += seconds
        me = everyone[name]
        me.observe(held, now)
        wish = me.wish(now, WALL + timedelta(seconds=now))
        if wish is None:
            continue
        others = [n for n, until in valid_until.items() if n != name and until > now]
        assert not others
        held = wish
        me.observe(held, now)
        valid_until[name] = now + DURATIONS.renew_deadline


@pytest.mark.parametrize("values", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_senseless_durations_are_refused(values):
    with pytest.raises(ValueError, match="lease duration"):
        Durations(*values)
