"""Observes DaemonSets, nodes and pods; makes and deletes pods, keeps revisions and the status."""

from __future__ import annotations

from datetime import datetime, timedelta

from controller_manager import history
from controller_manager.adoption import claimed
from controller_manager.context import Context, keys_of
from controller_manager.daemonset.plan import DaemonsPlan, Observed, plan_daemons, plan_status
from controller_manager.daemonset.rolling import plan_rolling
from controller_manager.informers import BY_CONTROLLER, ORPHANS
from controller_manager.ownership import controller_of, is_empty, selects
from controller_manager.ownwrites import Refusal
from controller_manager.plan import Action, Emit
from controller_manager.podcontrol import PodControl, PodWatch
from wherry.api.apps_v1 import ControllerRevision, DaemonSet
from wherry.api.core_v1 import Node, Pod
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

SELECTING_ALL = "This daemon set is selecting all pods. A non-empty selector is required."
FAILED_SECONDS_MIN = 1.0
FAILED_SECONDS_MAX = 900.0


class DaemonSetController:
    """Keeps one pod of each DaemonSet on every node that fits."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        recorder = context.recorder("daemonset-controller")
        self._executor = context.executor("daemonset-controller")
        self._sets = context.informers.daemon_sets
        self._revisions = context.informers.controller_revisions
        self._pods = context.informers.pods
        self._nodes = context.informers.nodes
        self._control = PodControl(context.client, recorder, context.clock)
        self._failures = FailureDelays()
        self._queue: WorkQueue[str] = WorkQueue("daemonset")
        self._sets.add_handler(self._on_set)
        self._revisions.add_handler(self._on_revision)
        watch = PodWatch("DaemonSet", self._queue, self._control.expectations, self._adopters)
        self._pods.add_handler(watch.on_pod)
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        workers = self._context.options.concurrent_daemonset_syncs
        self._control.begin_term()
        await self._context.work(
            "daemonset", self._reconcile, self._queue, workers, keys_of(self._sets)
        )

    # -- what happened

    def _on_set(self, before: DaemonSet | None, after: DaemonSet | None) -> None:
        changed = after or before
        if changed is None:
            return
        if after is None or (before is not None and before.metadata.uid != after.metadata.uid):
            self._control.forget(key_of(changed))
            self._failures.forget((before or changed).metadata.uid)
        self._queue.add(key_of(changed))

    def _on_revision(
        self, before: ControllerRevision | None, after: ControllerRevision | None
    ) -> None:
        for revision in (before, after):
            reference = None if revision is None else controller_of(revision.metadata)
            if revision is not None and reference is not None and reference.kind == "DaemonSet":
                self._queue.add(f"{revision.metadata.namespace}/{reference.name}")

    def _adopters(self, pod: Pod) -> list[str]:
        return [
            key_of(daemon_set)
            for daemon_set in self._sets.list(pod.metadata.namespace)
            if selects(daemon_set.spec.selector, pod.metadata.labels)
        ]

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        """Only what may change where pods belong."""
        if before is not None and after is not None:
            same_labels = before.metadata.labels == after.metadata.labels
            if same_labels and before.spec.taints == after.spec.taints:
                return
        for daemon_set in self._sets.list():
            self._queue.add(key_of(daemon_set))

    # -- what to do

    async def _reconcile(self, key: str) -> float | None:
        daemon_set = self._sets.get(*split_key(key))
        if daemon_set is None:
            self._control.forget(key)
            return None
        if daemon_set.metadata.deletion_timestamp is not None:
            return None
        selector = daemon_set.spec.selector
        if selector is None or is_empty(selector):
            told = Emit(daemon_set, "Warning", "SelectingAll", SELECTING_ALL)
            await self._executor.execute([told])
            return None
        await self._control.resolve(key)
        fulfilled = self._control.fulfilled(key)
        revisions = await self._history(daemon_set)
        if revisions.collided:
            count = (daemon_set.status.collision_count or 0) + 1
            status = daemon_set.status.with_(collision_count=count)
            await self._client.update_status(daemon_set.with_(status=status))
            return None
        await self._executor.execute(revisions.actions)
        now = self._context.clock.now()
        observed = Observed(
            daemon_set,
            tuple(self._nodes.list()),
            tuple(await self._claimed(daemon_set)),
            history.hash_of(revisions.current),
            self._failures.waits(daemon_set.metadata.uid, now),
        )
        plan = plan_daemons(observed) if fulfilled else DaemonsPlan()
        if fulfilled and not plan.create and not plan.delete:
            rolling = plan_rolling(observed, now)
            plan = rolling if rolling.create or rolling.delete else plan
        error = await self._act(key, daemon_set, plan, now)
        await self._executor.execute(_clean_up(observed, revisions))
        status, wait = plan_status(
            observed, daemon_set.status.collision_count, self._context.clock.now()
        )
        if status != daemon_set.status:
            await self._client.update_status(daemon_set.with_(status=status))
        if error is not None:
            raise error
        put_off = 0.0 if plan.delete and plan.create else None
        waits = [seconds for seconds in (wait, plan.wait, put_off) if seconds is not None]
        return min(waits, default=None)

    async def _history(self, daemon_set: DaemonSet) -> history.History:
        namespace = daemon_set.metadata.namespace
        revisions = await claimed(
            self._client,
            self._executor,
            daemon_set,
            daemon_set.spec.selector,
            [
                *self._revisions.by_index(BY_CONTROLLER, daemon_set.metadata.uid),
                *self._revisions.by_index(ORPHANS, namespace),
            ],
        )
        occupant = self._revisions.get(namespace, history.name_of_new(daemon_set))
        labels = daemon_set.spec.template.metadata.labels
        return history.plan_history(daemon_set, revisions, occupant, labels)

    async def _claimed(self, daemon_set: DaemonSet) -> list[Pod]:
        return await claimed(
            self._client,
            self._executor,
            daemon_set,
            daemon_set.spec.selector,
            [
                *self._pods.by_index(BY_CONTROLLER, daemon_set.metadata.uid),
                *self._pods.by_index(ORPHANS, daemon_set.metadata.namespace),
            ],
        )

    async def _act(
        self, key: str, daemon_set: DaemonSet, plan: DaemonsPlan, now: datetime
    ) -> Refusal | None:
        """Deletions first, alone: they may make room, and a key expects one thing at a time."""
        await self._executor.execute(plan.events)
        for node in plan.failed_on:
            self._failures.failed(daemon_set.metadata.uid, node, now)
        if plan.delete:
            return (await self._control.delete(key, daemon_set, plan.delete)).error
        return (await self._control.create(key, daemon_set, plan.create)).error


class FailureDelays:
    """How long failed pods are kept, per node of a set: twice as long each time, up to a bound.

    In memory only: after a change of leaders it begins anew.
    """

    def __init__(self) -> None:
        self._due: dict[str, dict[str, tuple[float, datetime]]] = {}  # by uid, by node

    def waits(self, uid: str, now: datetime) -> dict[str, float]:
        """Seconds by node; what has long been quiet is forgotten."""
        quiet = timedelta(seconds=2 * FAILED_SECONDS_MAX)
        kept = {
            node: (delay, due)
            for node, (delay, due) in self._due.get(uid, {}).items()
            if now - due < quiet
        }
        self._due[uid] = kept
        return {node: (due - now).total_seconds() for node, (_, due) in kept.items()}

    def failed(self, uid: str, node: str, now: datetime) -> None:
        delay, _ = self._due.get(uid, {}).get(node, (FAILED_SECONDS_MIN / 2, now))
        delay = min(delay * 2, FAILED_SECONDS_MAX)
        self._due.setdefault(uid, {})[node] = (delay, now + timedelta(seconds=delay))

    def forget(self, uid: str) -> None:
        self._due.pop(uid, None)


def _clean_up(observed: Observed, revisions: history.History) -> list[Action]:
    """Old revisions that no pod has."""
    hashes = {pod.metadata.labels.get(history.HASH) for pod in observed.pods}
    in_use = {one.metadata.name for one in revisions.old if history.hash_of(one) in hashes}
    return [*history.plan_clean_up(observed.daemon_set, revisions.old, in_use)]
