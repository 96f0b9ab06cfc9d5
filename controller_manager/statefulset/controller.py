"""Observes StatefulSets, their pods, claims and revisions; plans, executes."""

from __future__ import annotations

from collections.abc import Iterable

from controller_manager import history
from controller_manager.adoption import claimed
from controller_manager.context import Context, keys_of
from controller_manager.executor import CreateRefused
from controller_manager.informers import BY_CONTROLLER, ORPHANS
from controller_manager.ownership import controller_of, is_empty, metadata_of, selects
from controller_manager.plan import Emit
from controller_manager.statefulset.identity import ordinal_of
from controller_manager.statefulset.plan import (
    Observed,
    Revision,
    plan_set,
    plan_status,
    revision_of,
)
from wherry.api.apps_v1 import ControllerRevision, StatefulSet
from wherry.api.core_v1 import PersistentVolumeClaim, Pod
from wherry.api.model import TypedModel
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


class StatefulSetController:
    """Brings each StatefulSet one step further whenever it or what it owns changes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._executor = context.executor("statefulset-controller")
        self._sets = context.informers.stateful_sets
        self._revisions = context.informers.controller_revisions
        self._pods = context.informers.pods
        self._claims = context.informers.claims
        self._queue: WorkQueue[str] = WorkQueue("statefulset")
        self._sets.add_handler(self._on_set)
        self._revisions.add_handler(self._on_child)
        self._pods.add_handler(self._on_pod)
        self._claims.add_handler(self._on_claim)

    async def run(self) -> None:
        workers = self._context.options.concurrent_statefulset_syncs
        await self._context.work(
            "statefulset", self._reconcile, self._queue, workers, keys_of(self._sets)
        )

    # -- what happened

    def _on_set(self, before: StatefulSet | None, after: StatefulSet | None) -> None:
        changed = after or before
        if changed is not None:
            self._queue.add(key_of(changed))

    def _on_child(self, before: TypedModel | None, after: TypedModel | None) -> None:
        """Old and new owner."""
        for child in (before, after):
            if child is not None:
                metadata = metadata_of(child)
                reference = controller_of(metadata)
                if reference is not None and reference.kind == StatefulSet.GVK.kind:
                    self._queue.add(f"{metadata.namespace}/{reference.name}")

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        self._on_child(before, after)
        if after is not None and controller_of(after.metadata) is None:
            for stateful_set in self._sets.list(after.metadata.namespace):
                if selects(stateful_set.spec.selector, after.metadata.labels):
                    self._queue.add(key_of(stateful_set))

    def _on_claim(
        self, before: PersistentVolumeClaim | None, after: PersistentVolumeClaim | None
    ) -> None:
        """A claim that went may be what a pod waits for."""
        changed = after or before
        if changed is None or (after is not None and before is not None):
            return
        for stateful_set in self._sets.list(changed.metadata.namespace):
            templates = stateful_set.spec.volume_claim_templates
            stems = [f"{t.metadata.name}-{stateful_set.metadata.name}-" for t in templates]
            if any(changed.metadata.name.startswith(stem) for stem in stems):
                self._queue.add(key_of(stateful_set))

    # -- what to do

    async def _reconcile(self, key: str) -> float | None:
        stateful_set = self._sets.get(*split_key(key))
        if stateful_set is None:
            return None
        selector = stateful_set.spec.selector
        if selector is None or is_empty(selector):
            return None
        revisions = await self._history(stateful_set)
        if revisions.collided:
            count = (stateful_set.status.collision_count or 0) + 1
            status = stateful_set.status.with_(collision_count=count)
            await self._client.update_status(stateful_set.with_(status=status))
            return None
        await self._executor.execute(revisions.actions)
        observed = await self._observe(stateful_set, revisions)
        plan = plan_set(observed, self._context.clock.now())
        refused: CreateRefused | None = None
        try:
            await self._executor.execute(plan.actions)
        except CreateRefused as error:
            refused = error
            await self._executor.execute([_told(stateful_set, error)])
        status = plan_status(
            observed, stateful_set.status.collision_count, self._context.clock.now()
        )
        if status != stateful_set.status:
            await self._client.update_status(stateful_set.with_(status=status))
        if refused is not None:
            raise refused.error
        in_use = {observed.current.name, observed.update.name, *map(revision_of, observed.pods)}
        idle = [one for one in revisions.old if one.metadata.name not in in_use]
        await self._executor.execute(history.plan_clean_up(stateful_set, idle))
        return plan.wait

    async def _history(self, stateful_set: StatefulSet) -> history.History:
        namespace = stateful_set.metadata.namespace
        revisions = await claimed(
            self._client,
            self._executor,
            stateful_set,
            stateful_set.spec.selector,
            [
                *self._revisions.by_index(BY_CONTROLLER, stateful_set.metadata.uid),
                *self._revisions.by_index(ORPHANS, namespace),
            ],
        )
        occupant = self._revisions.get(namespace, history.name_of_new(stateful_set))
        labels = stateful_set.spec.template.metadata.labels
        return history.plan_history(stateful_set, revisions, occupant, labels)

    async def _observe(self, stateful_set: StatefulSet, revisions: history.History) -> Observed:
        candidates = [
            *self._pods.by_index(BY_CONTROLLER, stateful_set.metadata.uid),
            *self._pods.by_index(ORPHANS, stateful_set.metadata.namespace),
        ]
        mine = await claimed(
            self._client,
            self._executor,
            stateful_set,
            stateful_set.spec.selector,
            [pod for pod in candidates if ordinal_of(stateful_set, pod) is not None],
        )
        update = Revision(revisions.current.metadata.name, stateful_set.spec.template)
        current = _named(stateful_set.status.current_revision, revisions.old) or update
        claims = {}
        if stateful_set.spec.volume_claim_templates:
            namespace = stateful_set.metadata.namespace
            claims = {claim.metadata.name: claim for claim in self._claims.list(namespace)}
        return Observed(stateful_set, tuple(mine), current, update, claims)


def _named(name: str, revisions: Iterable[ControllerRevision]) -> Revision | None:
    for one in revisions:
        template = history.template_of(one)
        if one.metadata.name == name and template is not None:
            return Revision(name, template)
    return None


def _told(stateful_set: StatefulSet, refused: CreateRefused) -> Emit:
    made = refused.action.object
    kind = "Pod" if isinstance(made, Pod) else "Claim"
    message = (
        f"create {kind} {metadata_of(made).name} in StatefulSet {stateful_set.metadata.name} "
        f"failed error: {refused.error.message}"
    )
    return Emit(stateful_set, "Warning", "FailedCreate", message)
