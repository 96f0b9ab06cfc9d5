"""Which connection goes when there are too many, and what is said of it."""

from __future__ import annotations

import pytest

from apiserver.http.limits import SLOW, TOO_MANY, Limits


class Client:
    def __init__(self, name: str) -> None:
        self.client: tuple[str, int] | None = (name, 1)
        self.aborted = 0

    def abort(self) -> None:
        self.aborted += 1


def test_the_one_that_has_idled_longest_goes(caplog: pytest.LogCaptureFixture):
    limits = Limits(idle_max=2)
    clients = [Client(name) for name in "abcd"]
    for client in clients[:3]:
        limits.idle(client)
    assert [client.aborted for client in clients] == [1, 0, 0, 0]
    limits.busy(clients[1])
    limits.idle(clients[3])
    assert limits.idle_count == 2
    limits.idle(clients[1])
    assert [client.aborted for client in clients] == [1, 0, 1, 0]
    assert (limits.closed, limits.idle_count) == (2, 2)
    assert [one.message for one in caplog.records] == [
        f"closed 1 connections: {TOO_MANY}; the last from a"
    ], "the second falls into the same ten seconds"


def test_each_reason_is_said(caplog: pytest.LogCaptureFixture):
    limits = Limits(idle_max=0)
    limits.idle(Client("a"))
    limits.cut_off(Client("b"), SLOW)
    assert len(caplog.records) == 2
    limits.busy(Client("never seen"))
