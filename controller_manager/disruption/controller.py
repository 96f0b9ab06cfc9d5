"""Observes budgets and pods, asks for the scale of their controllers, writes the status."""

from __future__ import annotations

import asyncio
from typing import Any

from controller_manager.context import Context, keys_of
from controller_manager.disruption.plan import (
    Observed,
    Unknowable,
    failed_status,
    plan_status,
    unmanaged,
)
from controller_manager.disruption.stale import is_announced, plan_stale
from controller_manager.ownership import controller_of, is_empty, metadata_of
from controller_manager.plan import Emit
from wherry.api.apps_v1 import Deployment, ReplicaSet, StatefulSet
from wherry.api.core_v1 import Pod, ReplicationController
from wherry.api.meta_v1 import OwnerReference
from wherry.api.policy_v1 import PodDisruptionBudget
from wherry.api.selectors import label_selector
from wherry.client.informer import Informer
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

WORKERS = 2


class DisruptionController:
    """Keeps the status of PodDisruptionBudgets."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._executor = context.executor("controllermanager")
        self._budgets = context.informers.disruption_budgets
        self._pods = context.informers.pods
        self._scalable: dict[str, Informer[Any]] = {
            "ReplicaSet": context.informers.replica_sets,
            "Deployment": context.informers.deployments,
            "StatefulSet": context.informers.stateful_sets,
            "ReplicationController": context.informers.replication_controllers,
        }
        self._queue: WorkQueue[str] = WorkQueue("disruption")
        self._announced: WorkQueue[str] = WorkQueue("stale_pod_disruption")
        self._budgets.add_handler(self._on_budget)
        self._pods.add_handler(self._on_pod)
        for informer in self._scalable.values():
            informer.add_handler(self._on_scale)

    async def run(self) -> None:
        announced = [key_of(pod) for pod in self._pods.list() if is_announced(pod)]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self._context.work(
                    "stale_pod_disruption", self._withdraw, self._announced, 1, announced
                )
            )
            await self._context.work(
                "disruption", self._reconcile, self._queue, WORKERS, keys_of(self._budgets)
            )

    # -- what happened

    def _on_budget(
        self, before: PodDisruptionBudget | None, after: PodDisruptionBudget | None
    ) -> None:
        if after is not None:
            self._queue.add(key_of(after))

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        if after is not None and is_announced(after):
            self._announced.add(key_of(after))
        for pod in (before, after):
            if pod is None:
                continue
            for budget in self._budgets.list(pod.metadata.namespace):
                if _covers(budget, pod):
                    self._queue.add(key_of(budget))

    def _on_scale(self, before: Scalable | None, after: Scalable | None) -> None:
        """A controller that wants another number of pods."""
        if before is not None and after is not None and _wanted(before) == _wanted(after):
            return
        changed = after or before
        if changed is not None:
            for budget in self._budgets.list(metadata_of(changed).namespace):
                self._queue.add(key_of(budget))

    # -- what to do

    async def _withdraw(self, key: str) -> float | None:
        pod = self._pods.get(*split_key(key))
        plan = plan_stale(pod, self._context.clock.now())
        await self._executor.execute(plan.actions)
        return plan.requeue_after

    async def _reconcile(self, key: str) -> float | None:
        budget = self._budgets.get(*split_key(key))
        if budget is None:
            return None
        selected = tuple(
            pod for pod in self._pods.list(budget.metadata.namespace) if _covers(budget, pod)
        )
        now = self._context.clock.now()
        wait: float | None = None
        try:
            status, wait = plan_status(Observed(budget, selected, self._scales(selected)), now)
        except Unknowable as error:
            status = failed_status(budget, str(error), now)
            if status != budget.status:
                message = f"Failed to calculate the number of expected pods: {error}"
                told = Emit(budget, "Warning", "CalculateExpectedPodCountFailed", message)
                await self._executor.execute([told])
        if not selected and status != budget.status:
            told = Emit(budget, "Normal", "NoPods", "No matching pods found")
            await self._executor.execute([told])
        if status != budget.status:
            await self._client.update_status(budget.with_(status=status))
            message = unmanaged(budget, selected)
            if message:
                await self._executor.execute([Emit(budget, "Warning", "UnmanagedPods", message)])
        return wait

    def _scales(self, selected: tuple[Pod, ...]) -> dict[str, int]:
        """By uid of the pods' controllers: what they want, or the Deployment above them does.

        Sets of one Deployment share its number: only the first of them stands for it.
        """
        scales: dict[str, int] = {}
        counted: set[str] = set()
        for pod in selected:
            reference = controller_of(pod.metadata)
            if reference is None or reference.uid in scales:
                continue
            found = self._find(pod.metadata.namespace, reference)
            above = None if found is None else controller_of(metadata_of(found))
            if found is not None and above is not None and above.kind == "Deployment":
                found = self._find(pod.metadata.namespace, above) or found
            if found is None:
                continue
            uid = metadata_of(found).uid
            scales[reference.uid] = 0 if uid in counted else _wanted(found)
            counted.add(uid)
        return scales

    def _find(self, namespace: str, reference: OwnerReference) -> Scalable | None:
        informer = self._scalable.get(reference.kind)
        found: Scalable | None = informer.get(namespace, reference.name) if informer else None
        return found if found is not None and found.metadata.uid == reference.uid else None


Scalable = Deployment | ReplicaSet | StatefulSet | ReplicationController


def _wanted(obj: Scalable) -> int:
    return 1 if obj.spec.replicas is None else obj.spec.replicas


def _covers(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """A missing selector selects nothing, an empty one every pod of the namespace."""
    selector = budget.spec.selector
    if selector is None:
        return False
    return is_empty(selector) or label_selector(selector).matches(pod.metadata.labels)
