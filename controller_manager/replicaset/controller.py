"""Observes ReplicaSets and their pods, creates and deletes pods, writes the status."""

from __future__ import annotations

from controller_manager import pods
from controller_manager.adoption import claimed
from controller_manager.context import Context, keys_of
from controller_manager.informers import BY_CONTROLLER, ORPHANS
from controller_manager.ownership import controller_of, metadata_of, selects
from controller_manager.ownwrites import Refusal
from controller_manager.podcontrol import PodControl, PodWatch
from controller_manager.replicaset.kinds import REPLICA_SETS, REPLICATION_CONTROLLERS, Kind
from controller_manager.replicaset.plan import (
    Observed,
    ReplicasPlan,
    new_pod,
    plan_replicas,
    plan_status,
)
from wherry.api.core_v1 import Pod
from wherry.api.model import TypedModel
from wherry.api.names import generate_name
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


class ReplicaSetController:
    """Keeps the number of pods of each object of a kind."""

    def __init__(self, context: Context, kind: Kind = REPLICA_SETS) -> None:
        self._context = context
        self._kind = kind
        self._client = context.client
        recorder = context.recorder(kind.component)
        self._executor = context.executor(kind.component)
        self._sets = kind.informer(context.informers)
        self._pods = context.informers.pods
        self._control = PodControl(context.client, recorder, context.clock)
        self._queue: WorkQueue[str] = WorkQueue(kind.name)
        self._sets.add_handler(self._on_set)
        watch = PodWatch(
            kind.model.GVK.kind, self._queue, self._control.expectations, self._adopters
        )
        self._pods.add_handler(watch.on_pod)

    async def run(self) -> None:
        workers = getattr(self._context.options, self._kind.workers_option)
        self._control.begin_term()
        await self._context.work(
            self._kind.name, self._reconcile, self._queue, workers, keys_of(self._sets)
        )

    # -- what happened

    def _on_set(self, before: TypedModel | None, after: TypedModel | None) -> None:
        changed = after or before
        if changed is None:
            return
        replaced = before is not None and after is not None
        if after is None or (replaced and metadata_of(before).uid != metadata_of(after).uid):  # type: ignore[arg-type]  # `replaced` says so
            self._control.forget(key_of(changed))
        self._queue.add(key_of(changed))

    def _adopters(self, pod: Pod) -> list[str]:
        return [
            key_of(obj)
            for obj in self._sets.list(pod.metadata.namespace)
            if selects(self._kind.view(obj).spec.selector, pod.metadata.labels)
        ]

    # -- what to do

    async def _reconcile(self, key: str) -> float | None:
        obj = self._sets.get(*split_key(key))
        if obj is None:
            self._control.forget(key)
            return None
        await self._control.resolve(key)
        fulfilled = self._control.fulfilled(key)
        observed = await self._observe(obj, fulfilled)
        now = self._context.clock.now()
        error = await self._act(key, obj, plan_replicas(observed, now))
        status, wait = plan_status(observed, _words(error), self._context.clock.now())
        changed = self._kind.with_status(obj, status)
        if changed != obj:
            await self._client.update_status(changed)
        if error is not None:
            raise error
        return wait

    async def _observe(self, obj: TypedModel, fulfilled: bool) -> Observed:
        rs = self._kind.view(obj)
        mine = self._pods.by_index(BY_CONTROLLER, rs.metadata.uid)
        orphans = self._pods.by_index(ORPHANS, rs.metadata.namespace)
        active = await claimed(
            self._client,
            self._executor,
            obj,
            rs.spec.selector,
            [pod for pod in [*mine, *orphans] if pods.is_active(pod)],
        )
        return Observed(
            replica_set=rs,
            active=tuple(active),
            terminating=tuple(
                pod for pod in mine if pods.is_terminating(pod) and not pods.is_terminal(pod)
            ),
            related=tuple(self._related(obj)),
            fulfilled=fulfilled,
        )

    def _related(self, obj: TypedModel) -> list[Pod]:
        """The pods of all sets that share this set's owner."""
        owner = controller_of(metadata_of(obj))
        siblings = self._sets.by_index(BY_CONTROLLER, owner.uid) if owner else [obj]
        return [
            pod
            for sibling in siblings
            for pod in self._pods.by_index(BY_CONTROLLER, metadata_of(sibling).uid)
        ]

    async def _act(self, key: str, obj: TypedModel, plan: ReplicasPlan) -> Refusal | None:
        """Create or delete as planned; the first refusal, if any."""
        if plan.create:
            template = new_pod(self._kind.view(obj), obj)
            wanted = [_named(template) for _ in range(plan.create)]
            return (await self._control.create(key, obj, wanted)).error
        return (await self._control.delete(key, obj, plan.delete)).error


class ReplicationControllerController(ReplicaSetController):
    """The same for ReplicationControllers."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, REPLICATION_CONTROLLERS)


def _named(template: Pod) -> Pod:
    """With a name of ours, in the server's way: so a pod can be asked for whatever became of it."""
    name = generate_name(template.metadata.generate_name)
    return template.with_(metadata=template.metadata.with_(name=name))


def _words(error: Refusal | None) -> str | None:
    return None if error is None else str(error)
