"""Workloads under seeded random faults: leaders are killed amid their work, API servers too, people
edit what controllers write and delete what they made. The log of etcd is asked what must never have
been, and in the end all is as the specs say.

WHERRY_SOAK_SECONDS=N makes it longer, WHERRY_SOAK_SEED=N repeats a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal

import pytest

from tests.integration.controller_manager import history
from tests.integration.controller_manager.conftest import Cluster, until
from tests.integration.controller_manager.test_daemons import agent, target
from tests.integration.controller_manager.test_jobs import work
from tests.integration.controller_manager.test_kills import is_listening
from tests.integration.controller_manager.test_stateful_sets import database
from tests.integration.controller_manager.test_workloads import workload
from wherry.api.apps_v1 import DaemonSet, Deployment, ReplicaSet, StatefulSet
from wherry.api.batch_v1 import Job
from wherry.api.core_v1 import ConfigMap, Pod, ServiceAccount
from wherry.api.errors import ApiError
from wherry.client.kubeconfig import load
from wherry.client.rest import ApiUnavailable, Client

SECONDS = float(os.environ.get("WHERRY_SOAK_SECONDS", "15"))
NODES = ("n1", "n2", "n3")
REPLICAS, SURGE, UNAVAILABLE = 6, 2, 1
COMPLETIONS, PARALLELISM = 9, 3
BURST = 40
ELECTION = (
    "--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s",
    "--leader-elect-retry-period=300ms",
)  # fmt: skip
SETTLE_SECONDS = 90.0
COMPACTION_SECONDS = 300.0
TROUBLE = (ApiError, ApiUnavailable)

pytestmark = pytest.mark.timeout(SECONDS * 2 + 300)


class Kubelets:
    """Binds, starts, ends and confirms the namespace's pods, at random moments."""

    def __init__(self, cluster: Cluster, dice: random.Random) -> None:
        self.cluster, self.dice = cluster, dice
        self.confirmed: set[str] = set()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(*TROUBLE):
                for name in NODES:
                    await self.cluster.beat(name)
                for pod in await self.cluster.list(Pod):
                    if self.dice.random() < 0.6:
                        with contextlib.suppress(ApiError):  # it went meanwhile
                            await self._one(pod)
            await asyncio.sleep(0.05)

    async def _one(self, pod: Pod) -> None:
        cluster, phase = self.cluster, pod.status.phase
        if pod.metadata.deletion_timestamp is not None:
            if pod.spec.node_name:
                self.confirmed.add(pod.metadata.uid)
                await cluster.client.delete(
                    Pod, pod.metadata.name, cluster.namespace,
                    grace_period_seconds=0, uid=pod.metadata.uid,
                )  # fmt: skip
        elif not pod.spec.node_name:
            of_node = pod.metadata.labels.get("app") == "agent"
            await cluster.bind(pod, target(pod) if of_node else self.dice.choice(NODES))
        elif phase == "Pending":
            await cluster.report(pod)
        elif phase == "Running" and pod.metadata.labels.get("app") == "sum":
            patch = {  # as it was when it ended: one that is deleted meanwhile has not succeeded
                "metadata": {"resourceVersion": pod.metadata.resource_version},
                "status": {"phase": "Succeeded"},
            }
            await cluster.client.patch(
                Pod, pod.metadata.name, cluster.namespace, patch,
                type="strategic", subresource="status",
            )  # fmt: skip


class People:
    """Edit, scale, delete. What they do to `web` and `agent` never takes a pod away."""

    def __init__(self, cluster: Cluster, dice: random.Random) -> None:
        self.cluster, self.dice = cluster, dice
        self.jobs = 0
        self.said: list[str] = []

    async def act(self) -> None:
        what = self.dice.choice(
            (self._image, self._image, self._scale, self._delete_pod, self._delete_set, self._meddle,
             self._job, self._burst)
        )  # fmt: skip
        self.said.append(what.__name__)
        with contextlib.suppress(*TROUBLE):
            await what()

    async def _image(self) -> None:
        model, name = self.dice.choice(
            ((Deployment, "web"), (Deployment, "rough"), (StatefulSet, "db"), (DaemonSet, "agent"))
        )
        image = f"app:{self.dice.randrange(100)}"
        spec = {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
        await self._patch(model, name, {"spec": spec})

    async def _scale(self) -> None:
        model, name = self.dice.choice(((Deployment, "rough"), (StatefulSet, "db")))
        await self._patch(model, name, {"spec": {"replicas": self.dice.randrange(1, 6)}})

    async def _delete_pod(self) -> None:
        mine = [p for p in await self._pods() if p.metadata.labels["app"] in ("rough", "db", "sum")]
        if mine:
            pod = self.dice.choice(mine)
            await self.cluster.client.delete(Pod, pod.metadata.name, self.cluster.namespace)

    async def _delete_set(self) -> None:
        sets = [s for s in await self._sets() if s.metadata.labels["app"] == "rough"]
        if sets:
            name = self.dice.choice(sets).metadata.name
            await self.cluster.client.delete(ReplicaSet, name, self.cluster.namespace)

    async def _meddle(self) -> None:
        """Write what a controller writes."""
        sets = [s for s in await self._sets() if s.metadata.labels["app"] == "rough"]
        if sets and self.dice.random() < 0.5:
            name = self.dice.choice(sets).metadata.name
            await self._patch(ReplicaSet, name, {"spec": {"replicas": self.dice.randrange(8)}})
        patch = {"metadata": {"annotations": {"edited": str(self.dice.random())}}}
        for model, name in ((Deployment, "web"), (StatefulSet, "db"), (DaemonSet, "agent")):
            await self._patch(model, name, patch)

    async def _job(self) -> None:
        template = work()["spec"]["template"]
        template["metadata"] = {"labels": {"app": "sum"}}
        spec = {
            "template": template, "completions": COMPLETIONS, "parallelism": PARALLELISM,
            "completionMode": "Indexed", "backoffLimit": 100,
        }  # fmt: skip
        await self.cluster.make(Job, f"sum{self.jobs}", spec=spec)
        self.jobs += 1

    async def _burst(self) -> None:
        """Many objects lose their owner at once."""
        top = await self.cluster.make(ConfigMap, f"top{self.dice.randrange(10**6)}")
        owner = {
            "apiVersion": "v1", "kind": "ConfigMap", "name": top.metadata.name,
            "uid": top.metadata.uid,
        }  # fmt: skip
        made = (
            self.cluster.make(
                ConfigMap, f"leaf-{top.metadata.name}-{n}", metadata={"ownerReferences": [owner]}
            )
            for n in range(BURST)
        )
        await asyncio.gather(*made, return_exceptions=True)
        await self.cluster.client.delete(ConfigMap, top.metadata.name, self.cluster.namespace)

    async def _patch(self, model, name, patch) -> None:
        await self.cluster.client.patch(
            model, name, self.cluster.namespace, patch, type="strategic"
        )

    async def _pods(self) -> list[Pod]:
        return [p for p in await self.cluster.list(Pod) if "app" in p.metadata.labels]

    async def _sets(self) -> list[ReplicaSet]:
        return await self.cluster.list(ReplicaSet)


async def make_workloads(cluster: Cluster) -> None:
    for name in NODES:
        await cluster.node(name, labels={"pool": cluster.namespace})
    for name in ("web", "rough"):
        tree = workload(
            replicas=REPLICAS, progressDeadlineSeconds=600,
            strategy={"rollingUpdate": {"maxSurge": SURGE, "maxUnavailable": UNAVAILABLE}},
        )  # fmt: skip
        tree["spec"]["selector"] = {"matchLabels": {"app": name}}
        tree["spec"]["template"]["metadata"] = {"labels": {"app": name}}
        await cluster.make(Deployment, name, **tree)
    await cluster.make(StatefulSet, "db", **database())
    agents = agent(cluster)
    agents["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1  # the kubelet is asked
    await cluster.make(DaemonSet, "agent", **agents)


async def is_settled(cluster: Cluster) -> bool:
    """Everything is as its spec says."""
    for deployment in await cluster.list(Deployment):
        spec, status = deployment.spec, deployment.status
        counts = (status.updated_replicas, status.replicas, status.available_replicas)
        seen = status.observed_generation == deployment.metadata.generation
        if counts != (spec.replicas,) * 3 or not seen:
            return False
    (db,) = await cluster.list(StatefulSet)
    counts = (db.status.updated_replicas, db.status.replicas, db.status.available_replicas)
    if counts != (db.spec.replicas,) * 3 or db.status.current_revision != db.status.update_revision:
        return False
    (agents,) = await cluster.list(DaemonSet)
    status = agents.status
    if (status.updated_number_scheduled, status.number_available) != (len(NODES), len(NODES)):
        return False
    maps = await cluster.list(ConfigMap)
    there = {one.metadata.uid for one in maps}
    if any(ref.uid not in there for one in maps for ref in one.metadata.owner_references):
        return False
    jobs = await cluster.list(Job)
    ended = [any(c.type == "Complete" for c in job.status.conditions) for job in jobs]
    pods = [p for p in await cluster.list(Pod) if p.status.phase == "Running"]
    return all(ended) and all(p.metadata.deletion_timestamp is None for p in pods)


class Managers:
    """Two at a time, of which one leads."""

    def __init__(self, start) -> None:
        self._start = start
        self._running = [start(*ELECTION), start(*ELECTION)]

    async def kill_one(self, dice: random.Random) -> None:
        """Not before both stand: who is killed while starting was not at work."""
        if all([await is_listening(manager) for manager in self._running]):
            victim = dice.randrange(len(self._running))
            self._running[victim].stop(signal.SIGKILL)
            self._running[victim] = self._start(*ELECTION)

    def replace_the_gone(self) -> None:
        """Those that gave up their term, when the API server was away for long."""
        for number, manager in enumerate(self._running):
            if manager.process.poll() is not None:
                self._running[number] = self._start(*ELECTION)


async def trouble(people: People, apiserver, managers: Managers, dice: random.Random) -> None:
    """Faults for a while."""
    end = asyncio.get_running_loop().time() + SECONDS
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(dice.uniform(0.02, 0.4))
        managers.replace_the_gone()
        fault = dice.random()
        if fault < 0.12:
            await managers.kill_one(dice)
        elif fault < 0.15:
            apiserver.kill()
            await asyncio.to_thread(apiserver.start)
        else:
            await people.act()


async def test_whatever_happens_nothing_is_too_much_or_too_little(apiserver, start):
    seed = int(os.environ.get("WHERRY_SOAK_SEED") or random.SystemRandom().randrange(10**6))
    print(f"repeat with WHERRY_SOAK_SEED={seed}")
    dice = random.Random(seed)
    if SECONDS > COMPACTION_SECONDS / 2:  # the whole log is read in the end
        apiserver.kill()
        apiserver.flags.append("--etcd-compaction-interval=0")
        apiserver.start()
    async with Client(load(apiserver.kubeconfig)) as client:
        cluster = Cluster(client, "default")
        began = await history.revision_of(apiserver.etcd.url)
        account = {"metadata": {"name": "default", "namespace": "default"}}
        with contextlib.suppress(ApiError):  # a manager's, else
            await client.create(ServiceAccount.from_wire(account))
        await make_workloads(cluster)
        kubelets = Kubelets(cluster, random.Random(seed))
        living = asyncio.create_task(kubelets.run())
        managers, people = Managers(start), People(cluster, dice)
        try:
            await until(lambda: is_settled(cluster), SETTLE_SECONDS)
            await trouble(people, apiserver, managers, dice)
            managers.replace_the_gone()
            await until(lambda: is_settled(cluster), SETTLE_SECONDS)
        finally:
            living.cancel()
            await asyncio.wait([living])
        await cluster.make(ConfigMap, "the-end")
        steps = await history.steps_of(
            apiserver.etcd.url, began, "default", "/registry/configmaps/default/the-end"
        )
    history.never_more_than(steps, "web", REPLICAS + SURGE)
    taken = history.never_taken_below(steps, "web", REPLICAS - UNAVAILABLE)
    taken += history.never_taken_below(steps, "agent", len(NODES) - 1)
    history.one_at_a_time(steps, "agent", lambda pod: str(pod["spec"]["affinity"]))
    history.one_at_a_time(steps, "sum", history.index_of)
    history.nobody_forced_out(steps, kubelets.confirmed)
    succeeded = history.each_once(steps, "sum")
    assert set(succeeded.values()) <= {COMPLETIONS}
    print(
        f"{len(steps)} writes of pods, {taken} pods replaced, {len(succeeded)} jobs, {people.said}"
    )
