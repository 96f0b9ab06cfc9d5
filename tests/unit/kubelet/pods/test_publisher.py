"""A status that the server refuses in part is told in all other parts."""

import asyncio
import json

import pytest

from kubelet.pods.publisher import Publisher, is_overruled, lawful
from wherry.api.core_v1 import Pod, PodStatus
from wherry.api.errors import ApiError
from wherry.daemon.clock import FakeClock

RUNS = {"running": {}}
ENDED = {"terminated": {"exitCode": 0}}
WAITS = {"waiting": {"reason": "PodInitializing"}}


def one(name, state, restarts=0):
    return {"name": name, "state": state, "restartCount": restarts}


def test_what_ended_stays_ended_and_the_rest_is_new():
    old = {"initContainerStatuses": [one("i", ENDED), one("s", RUNS)]}
    new = {
        "phase": "Pending",
        "initContainerStatuses": [one("i", RUNS, 1), one("s", RUNS, 1)],
        "containerStatuses": [one("c", WAITS)],
    }
    assert lawful(new, old) == new | {"initContainerStatuses": [one("i", ENDED), one("s", RUNS, 1)]}
    ended_again = new | {"initContainerStatuses": [one("i", ENDED, 1)]}
    assert lawful(ended_again, old) == ended_again


class Server:
    """Refuses that `i` runs again, as the API server does."""

    def __init__(self):
        self.taken = []

    async def request(self, method, path, *, body, content_type):
        status = json.loads(json.dumps(body))["status"]
        states = {s["name"]: s["state"] for s in status.get("initContainerStatuses", ())}
        if "running" in states.get("i", {}):
            raise ApiError({"code": 422, "reason": "Invalid", "message": "not so"})
        self.taken.append(status)

    async def get(self, model, name, namespace):
        return POD


def status(*init, phase="Pending"):
    tree = {"phase": phase, "initContainerStatuses": list(init)}
    return Pod.from_wire({"status": tree}).status


POD = Pod.from_wire({"metadata": {"name": "p", "namespace": "d", "uid": "u"}})


@pytest.fixture
async def publisher():
    server = Server()
    made = Publisher(server, FakeClock(), POD)
    task = asyncio.create_task(made.run())
    yield made, server
    task.cancel()


async def test_it_goes_on_telling(publisher):
    made, server = publisher
    async with asyncio.timeout(20):
        made.publish(status(one("i", ENDED), one("s", RUNS)))
        await made.flushed()
        made.publish(status(one("i", RUNS, 1), one("s", RUNS, 1)))
        await made.flushed()
        made.publish(status(one("i", ENDED, 1), one("s", RUNS, 1)))
        await made.flushed()
    told = [
        {
            s["name"]: (next(iter(s["state"])), s.get("restartCount", 0))
            for s in t["initContainerStatuses"]
        }
        for t in server.taken
    ]
    assert told == [
        {"i": ("terminated", 0), "s": ("running", 0)},
        {"i": ("terminated", 0), "s": ("running", 1)},
        {"i": ("terminated", 1), "s": ("running", 1)},
    ]


@pytest.mark.parametrize(
    ("said", "stored", "expected"),
    [
        pytest.param({"status": "True"}, {"status": "False"}, True, id="the node was silent"),
        pytest.param(
            {"status": "True"},
            {"status": "False", "reason": "ContainersNotReady"},
            False,
            id="what we said before comes late",
        ),
        pytest.param({"status": "False"}, {"status": "False"}, False, id="it is not ready"),
        pytest.param({"status": "True"}, {"status": "True"}, False, id="nothing happened"),
        pytest.param({"status": "True"}, None, False, id="nothing was said yet"),
    ],
)
def test_readiness_that_somebody_took_away(said, stored, expected):
    def status(ready):
        conditions = [{"type": "Ready", **ready}] if ready else []
        return PodStatus.from_wire({"conditions": conditions})

    assert is_overruled(status(said), status(stored)) == expected
