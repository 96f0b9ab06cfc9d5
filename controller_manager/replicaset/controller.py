"""Observes ReplicaSets and their pods, creates and deletes pods, writes the status."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from controller_manager import pods
from controller_manager.adoption import claimed
from controller_manager.context import Context, keys_of
from controller_manager.executor import is_namespace_terminating
from controller_manager.informers import BY_CONTROLLER, ORPHANS
from controller_manager.ownership import controller_of, selects
from controller_manager.replicaset.expectations import Expectations
from controller_manager.replicaset.plan import (
    Observed,
    ReplicasPlan,
    new_pod,
    plan_replicas,
    plan_status,
    slow_start,
)
from wherry.api.apps_v1 import ReplicaSet
from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError
from wherry.client.store import key_of, split_key
from wherry.client.transport import ApiUnavailable
from wherry.client.workqueue import WorkQueue

Refusal = ApiError | ApiUnavailable

POD_WRITES_MAX = 32  # under way at once, over all sets


class ReplicaSetController:
    """Keeps each ReplicaSet's number of pods."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._recorder = context.recorder("replicaset-controller")
        self._executor = context.executor("replicaset-controller")
        self._sets = context.informers.replica_sets
        self._pods = context.informers.pods
        self._queue: WorkQueue[str] = WorkQueue("replicaset")
        self._expectations = Expectations()
        self._writes = asyncio.Semaphore(POD_WRITES_MAX)
        self._sets.add_handler(self._on_set)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        workers = self._context.options.concurrent_replicaset_syncs
        self._expectations = Expectations()  # what an earlier term of ours hoped for is past
        await self._context.work(
            "replicaset", self._reconcile, self._queue, workers, keys_of(self._sets)
        )

    # -- what happened

    def _on_set(self, before: ReplicaSet | None, after: ReplicaSet | None) -> None:
        changed = after or before
        if changed is None:
            return
        replaced = before is not None and after is not None
        if after is None or (replaced and before.metadata.uid != after.metadata.uid):  # type: ignore[union-attr]  # `replaced` says so
            self._expectations.forget(key_of(changed))
        self._queue.add(key_of(changed))

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        """Meets the expectations of the pod's set and wakes it; an orphan wakes who may adopt it."""
        owner = _set_key(after or before)
        previous = _set_key(before)
        if previous and previous != owner:
            self._queue.add(previous)
        if owner:
            changed = after or before
            if before is None:
                self._expectations.created(owner)
            if changed is not None and (after is None or pods.is_terminating(after)):
                self._expectations.deleted(owner, changed.metadata.uid)
            self._queue.add(owner)
        elif after is not None and (
            before is None or previous or before.metadata.labels != after.metadata.labels
        ):
            for rs in self._sets.list(after.metadata.namespace):
                if selects(rs.spec.selector, after.metadata.labels):
                    self._queue.add(key_of(rs))

    # -- what to do

    async def _reconcile(self, key: str) -> float | None:
        rs = self._sets.get(*split_key(key))
        if rs is None:
            self._expectations.forget(key)
            return None
        fulfilled = self._expectations.fulfilled(key, self._context.clock.monotonic())
        observed = await self._observe(rs, fulfilled)
        now = self._context.clock.now()
        error = await self._act(key, rs, plan_replicas(observed, now))
        status, wait = plan_status(observed, _words(error), self._context.clock.now())
        if status != rs.status:
            await self._client.update_status(rs.with_(status=status))
        if error is not None:
            raise error
        return wait

    async def _observe(self, rs: ReplicaSet, fulfilled: bool) -> Observed:
        mine = self._pods.by_index(BY_CONTROLLER, rs.metadata.uid)
        orphans = self._pods.by_index(ORPHANS, rs.metadata.namespace)
        active = await claimed(
            self._client,
            self._executor,
            rs,
            rs.spec.selector,
            [pod for pod in [*mine, *orphans] if pods.is_active(pod)],
        )
        return Observed(
            replica_set=rs,
            active=tuple(active),
            terminating=tuple(
                pod for pod in mine if pods.is_terminating(pod) and not pods.is_terminal(pod)
            ),
            related=tuple(self._related(rs)),
            fulfilled=fulfilled,
        )

    def _related(self, rs: ReplicaSet) -> list[Pod]:
        """The pods of all sets that share this set's owner."""
        owner = controller_of(rs.metadata)
        siblings = self._sets.by_index(BY_CONTROLLER, owner.uid) if owner else [rs]
        return [
            pod
            for sibling in siblings
            for pod in self._pods.by_index(BY_CONTROLLER, sibling.metadata.uid)
        ]

    async def _act(self, key: str, rs: ReplicaSet, plan: ReplicasPlan) -> Refusal | None:
        """Create or delete as planned; the first refusal, if any."""
        now = self._context.clock.monotonic()
        if plan.create:
            self._expectations.expect_creations(key, plan.create, now)
            return await self._create(key, rs, plan.create)
        if plan.delete:
            uids = [pod.metadata.uid for pod in plan.delete]
            self._expectations.expect_deletions(key, uids, now)
            return await self._delete(key, rs, plan.delete)
        return None

    async def _create(self, key: str, rs: ReplicaSet, count: int) -> Refusal | None:
        """In growing batches; the first batch with a refusal is the last."""
        template = new_pod(rs)
        left = count
        try:
            for size in slow_start(count):
                results = await asyncio.gather(
                    *(self._create_one(rs, template) for _ in range(size))
                )
                errors = [error for error in results if error is not None]
                left -= size - len(errors)
                if errors:
                    return None if _namespace_goes(errors[0]) else errors[0]
        finally:
            if left:  # these will not be seen: do not wait for them
                self._expectations.created(key, left)
        return None

    async def _create_one(self, rs: ReplicaSet, template: Pod) -> Refusal | None:
        async with self._writes:
            try:
                made = await self._client.create(template)
            except (ApiError, ApiUnavailable) as error:
                if not _namespace_goes(error):
                    message = f"Error creating: {error}"
                    self._recorder.event(rs, "Warning", "FailedCreate", message)
                return error
        message = f"Created pod: {made.metadata.name}"
        self._recorder.event(rs, "Normal", "SuccessfulCreate", message)
        return None

    async def _delete(self, key: str, rs: ReplicaSet, chosen: Sequence[Pod]) -> Refusal | None:
        results = await asyncio.gather(*(self._delete_one(key, rs, pod) for pod in chosen))
        return next((error for error in results if error is not None), None)

    async def _delete_one(self, key: str, rs: ReplicaSet, pod: Pod) -> Refusal | None:
        metadata = pod.metadata
        async with self._writes:
            try:
                await self._client.delete(Pod, metadata.name, metadata.namespace, uid=metadata.uid)
            except (ApiError, ApiUnavailable) as error:
                self._expectations.deleted(key, metadata.uid)
                if isinstance(error, ApiError) and error.code == 404:
                    return None
                message = f"Error deleting: {error}"
                self._recorder.event(rs, "Warning", "FailedDelete", message)
                return error
        message = f"Deleted pod: {metadata.name}"
        self._recorder.event(rs, "Normal", "SuccessfulDelete", message)
        return None


def _namespace_goes(error: Refusal) -> bool:
    return isinstance(error, ApiError) and is_namespace_terminating(error)


def _words(error: Refusal | None) -> str | None:
    return None if error is None else str(error)


def _set_key(pod: Pod | None) -> str:
    """The key of the ReplicaSet that controls the pod; empty when none does."""
    reference = None if pod is None else controller_of(pod.metadata)
    if pod is None or reference is None or reference.kind != ReplicaSet.GVK.kind:
        return ""
    return f"{pod.metadata.namespace}/{reference.name}"
