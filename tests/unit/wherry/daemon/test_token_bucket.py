from __future__ import annotations

from wherry.daemon.token_bucket import TokenBucket


def test_a_burst_and_then_as_many_as_come_back() -> None:
    bucket = TokenBucket(2.0, 3, now=10.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(10.5), bucket.take(10.5)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_what_is_borrowed_is_waited_for() -> None:
    bucket = TokenBucket(2.0, 1)
    assert [bucket.borrow(5.0) for _ in range(3)] == [0.0, 0.5, 1.0]
    assert bucket.borrow(6.0) == 0.5
    assert bucket.borrow(60.0) == 0.0


def test_tokens_that_never_come_back() -> None:
    bucket = TokenBucket(0.0, 1)
    assert [bucket.take(0.0), bucket.take(1e9)] == [True, False]
