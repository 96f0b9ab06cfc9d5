"""A status from before one's own last write is not decided on."""

from __future__ import annotations

import pytest

from controller_manager.ownwrites import OwnWrites
from wherry.api.batch_v1 import Job
from wherry.api.errors import ApiError


def job(version: str, uid: str = "u1") -> Job:
    metadata = {"name": "work", "namespace": "ns", "uid": uid, "resourceVersion": version}
    return Job.from_wire({"metadata": metadata, "spec": {"template": {"spec": {}}}})


class Server:
    """Answers with one object, and counts how often it is asked."""

    def __init__(self, held: Job | None) -> None:
        self.held = held
        self.asked = 0

    async def get(self, model, name, namespace):
        self.asked += 1
        if self.held is None:
            raise ApiError({"code": 404, "reason": "NotFound", "message": "gone"})
        return self.held


@pytest.mark.parametrize(
    ("held", "cached", "expected"),
    [
        pytest.param(job("9"), job("9"), True, id="the cache is up to date"),
        pytest.param(job("10"), job("9"), False, id="an earlier leader wrote later"),
        pytest.param(job("9"), job("10"), True, id="the cache is newer than the answer"),
        pytest.param(None, job("9"), False, id="it is gone"),
        pytest.param(job("12", "u2"), job("9"), False, id="another of its name is there"),
    ],
)
async def test_the_server_is_asked_first(held, cached, expected):
    server = Server(held)
    assert await OwnWrites().caught_up(server, cached) is expected
    assert server.asked == 1


async def test_then_ones_own_writes_are_enough():
    server, written = Server(job("9")), OwnWrites()
    assert await written.caught_up(server, job("9"))
    written.note(job("11"))
    assert not await written.caught_up(server, job("9"))
    assert await written.caught_up(server, job("11"))
    assert await written.caught_up(server, job("12"))
    assert server.asked == 1
    written.forget("ns/work")
    assert await written.caught_up(server, job("12"))
    assert server.asked == 2
