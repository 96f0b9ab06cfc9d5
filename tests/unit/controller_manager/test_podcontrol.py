"""Pods whose creation went unanswered: expected until it is known what became of them."""

from __future__ import annotations

import pytest

from controller_manager.podcontrol import PodControl, PodWatch
from wherry.api.apps_v1 import ReplicaSet
from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError
from wherry.client.transport import ApiUnavailable
from wherry.client.workqueue import WorkQueue
from wherry.daemon.clock import FakeClock

KEY = "ns/web"
OWNER = ReplicaSet.from_wire({"metadata": {"name": "web", "namespace": "ns", "uid": "r1"}})
GONE = ApiError({"code": 404, "reason": "NotFound", "message": "not found"})
BUSY = ApiError({"code": 504, "reason": "Timeout", "message": "no answer from the store"})
FULL = ApiError({"code": 403, "reason": "Forbidden", "message": "exceeded quota"})


def pod(name):
    reference = {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "r1", "controller": True,
    }  # fmt: skip
    metadata = {"name": name, "namespace": "ns", "uid": name, "ownerReferences": [reference]}
    return Pod.from_wire({"metadata": metadata})


class Server:
    """Stores what it is given; `failures` says by name how it answers, `lost` what it never got."""

    def __init__(self, failures=(), lost=()):
        self.failures = dict(failures)
        self.lost = set(lost)
        self.pods = {}

    async def create(self, made):
        name = made.metadata.name
        if name not in self.lost:
            self.pods[name] = made
        if name in self.failures:
            raise self.failures[name]
        return made

    async def get(self, model, name, namespace):
        if name not in self.pods:
            raise GONE
        return self.pods[name]


class Silent:
    def event(self, *said):
        """Nobody listens."""


def control_of(server):
    control = PodControl(server, Silent(), FakeClock())
    watch = PodWatch("ReplicaSet", WorkQueue("test"), control.expectations, lambda pod: [])
    return control, watch


@pytest.mark.parametrize("answer", [ApiUnavailable("gone"), BUSY], ids=["no answer", "timeout"])
async def test_one_that_was_made_all_the_same_is_waited_for(answer):
    server = Server({"b": answer})
    control, watch = control_of(server)
    outcome = await control.create(KEY, OWNER, [pod("a"), pod("b"), pod("c")])
    assert (outcome.done, outcome.error) == (2, answer)
    watch.on_pod(None, pod("a"))
    watch.on_pod(None, pod("c"))
    await control.resolve(KEY)
    assert not control.fulfilled(KEY), "b is there, and the cache has not shown it"
    watch.on_pod(None, pod("b"))
    assert control.fulfilled(KEY)


async def test_one_that_was_not_made_is_given_up():
    control, _ = control_of(Server({"a": ApiUnavailable("gone")}, lost={"a"}))
    await control.create(KEY, OWNER, [pod("a")])
    assert not control.fulfilled(KEY)
    await control.resolve(KEY)
    assert control.fulfilled(KEY)


async def test_a_refusal_is_an_answer():
    control, _ = control_of(Server({"a": FULL}, lost={"a"}))
    await control.create(KEY, OWNER, [pod("a"), pod("b"), pod("c")])
    assert control.fulfilled(KEY)


async def test_a_new_term_begins_without_doubts():
    control, _ = control_of(Server({"a": BUSY}))
    await control.create(KEY, OWNER, [pod("a")])
    control.begin_term()
    await control.resolve(KEY)
    assert control.fulfilled(KEY)
