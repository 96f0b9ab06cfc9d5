"""Leader election and events over real sockets."""

import asyncio

from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import ConfigMap, Event
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.controller import Controller
from wherry.client.election import Durations
from wherry.client.events import EventRecorder
from wherry.client.leader import run_leading
from wherry.client.workqueue import WorkQueue

FAST = Durations(lease=1.0, renew_deadline=0.6, retry=0.1)


async def until(condition):
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.005)


class Work:
    """What leaders do: note that they began and ended."""

    def __init__(self):
        self.active = []
        self.most = 0

    def by(self, name):
        async def lead():
            self.active.append(name)
            self.most = max(self.most, len(self.active))
            try:
                await asyncio.Event().wait()
            finally:
                self.active.remove(name)

        return lead


async def test_one_leads_and_the_next_takes_over(client, server):
    work = Work()
    tasks = {
        name: asyncio.ensure_future(
            run_leading(client, "kube-system", "x", name, work.by(name), FAST)
        )
        for name in ("a", "b")
    }
    await until(lambda: work.active)
    first = work.active[0]
    other = "b" if first == "a" else "a"
    tasks[first].cancel()
    await until(lambda: work.active == [other])
    lease = await client.get(Lease, "x", "kube-system")
    assert lease.spec.holder_identity == other
    assert lease.spec.lease_transitions == 1
    tasks[other].cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert work.most == 1
    assert not (await client.get(Lease, "x", "kube-system")).spec.holder_identity


async def test_a_leader_that_cannot_renew_stops_and_leads_again(client, server):
    work = Work()
    task = asyncio.ensure_future(run_leading(client, "kube-system", "x", "a", work.by("a"), FAST))
    await until(lambda: work.active)
    server.hold = asyncio.Event()
    await until(lambda: not work.active)
    server.hold.set()
    server.hold = None
    await until(lambda: work.active)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_leading_ends_when_the_work_does(client, server):
    async def lead():
        await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await run_leading(client, "kube-system", "x", "a", lead, FAST)


def subject(name="a"):
    return ConfigMap(metadata=ObjectMeta(namespace="n", name=name, uid="u", resource_version="3"))


def events(server):
    return [Event.from_wire(t) for p, t in server.objects.items() if "/events/" in p]


async def test_events_are_written_and_counted(client, server):
    recorder = EventRecorder(client, "tester", "host")
    task = asyncio.ensure_future(recorder.run())
    for _ in range(3):
        recorder.event(subject(), "Normal", "Did", "it is done")
    recorder.event(subject("b"), "Warning", "Failed", "x" * 5000, field_path="spec.x")
    await until(lambda: sum(e.count for e in events(server)) == 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    did, failed = sorted(events(server), key=lambda e: e.involved_object.name)
    assert (did.count, did.reason, did.message, did.type) == (3, "Did", "it is done", "Normal")
    assert did.metadata.name.startswith("a.")
    assert did.metadata.namespace == "n"
    assert (did.source.component, did.source.host) == ("tester", "host")
    assert did.reporting_component == "tester"
    reference = did.involved_object
    assert (reference.kind, reference.uid, reference.resource_version) == ("ConfigMap", "u", "3")
    assert failed.involved_object.field_path == "spec.x"
    assert len(failed.message) == 1024


async def test_waiting_events_are_sent_at_the_end(client, server):
    recorder = EventRecorder(client, "tester")
    task = asyncio.ensure_future(recorder.run())
    await asyncio.sleep(0)
    for number in range(20):
        recorder.event(subject(f"o{number}"), "Normal", "Did", "m")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(events(server)) == 20


async def test_a_vanished_event_is_begun_anew(client, server):
    recorder = EventRecorder(client, "tester")
    task = asyncio.ensure_future(recorder.run())
    recorder.event(subject(), "Normal", "Did", "m")
    await until(lambda: events(server))
    await client.delete(Event, events(server)[0].metadata.name, "n")
    recorder.event(subject(), "Normal", "Did", "m")
    await until(lambda: events(server))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_controller_retries_what_fails_and_requeues_what_asks():
    seen = []
    queue = WorkQueue()

    async def reconcile(key):
        seen.append(key)
        if key == "fails" and seen.count("fails") < 3:
            raise ValueError("not yet")
        if key == "again" and seen.count("again") < 3:
            return 0.01
        return None

    task = asyncio.ensure_future(Controller("c", reconcile, queue, workers=2).run())
    for key in ("fails", "again", "fine"):
        queue.add(key)
    await until(lambda: len(seen) == 7)
    queue.shutdown()
    await asyncio.wait_for(task, 30)
    assert sorted(seen) == ["again"] * 3 + ["fails"] * 3 + ["fine"]
