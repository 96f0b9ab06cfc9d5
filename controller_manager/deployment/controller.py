"""Observes Deployments and their ReplicaSets, plans, executes."""

from __future__ import annotations

from controller_manager import pods
from controller_manager.adoption import claimed
from controller_manager.context import Context, keys_of
from controller_manager.deployment import replicasets, sizing
from controller_manager.deployment.plan import Observed, plan_create_failure, plan_deployment
from controller_manager.executor import CreateRefused
from controller_manager.informers import BY_CONTROLLER, ORPHANS
from controller_manager.ownership import controller_of, selects
from controller_manager.ownwrites import OwnWrites
from controller_manager.plan import Plan
from wherry.api.apps_v1 import Deployment, ReplicaSet
from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import OwnerReference
from wherry.api.model import TypedModel
from wherry.client.store import key_of, split_key
from wherry.client.transport import ApiUnavailable
from wherry.client.workqueue import WorkQueue


class DeploymentController:
    """Brings each Deployment one step further whenever it or what it owns changes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("deployment-controller")
        self._deployments = context.informers.deployments
        self._sets = context.informers.replica_sets
        self._pods = context.informers.pods
        self._written = OwnWrites(self._sets)
        self._queue: WorkQueue[str] = WorkQueue("deployment")
        self._deployments.add_handler(self._on_deployment)
        self._sets.add_handler(self._on_set)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        workers = self._context.options.concurrent_deployment_syncs
        self._written.clear()
        await self._context.work(
            "deployment", self._reconcile, self._queue, workers, keys_of(self._deployments)
        )

    def _on_deployment(self, before: Deployment | None, after: Deployment | None) -> None:
        changed = after or before
        if changed is None:
            return
        if after is None:
            self._written.forget(key_of(changed))
        self._queue.add(key_of(changed))

    def _on_set(self, before: ReplicaSet | None, after: ReplicaSet | None) -> None:
        """Old and new owner; for an orphan, whoever might adopt it."""
        for rs in (before, after):
            if rs is not None:
                self._add_owner(rs.metadata.namespace, controller_of(rs.metadata))
        if after is not None and controller_of(after.metadata) is None:
            for deployment in self._deployments.list(after.metadata.namespace):
                if selects(deployment.spec.selector, after.metadata.labels):
                    self._queue.add(key_of(deployment))

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        """Recreate waits for the last old pod to end."""
        if before is None or (after is not None and not pods.is_terminal(after)):
            return
        reference = controller_of(before.metadata)
        if reference is None or reference.kind != ReplicaSet.GVK.kind:
            return
        rs = self._sets.get(before.metadata.namespace, reference.name)
        if rs is None or rs.metadata.uid != reference.uid:
            return
        owner = controller_of(rs.metadata)
        if owner is None:
            return
        deployment = self._deployments.get(rs.metadata.namespace, owner.name)
        if deployment is not None and deployment.spec.strategy.type == sizing.RECREATE:
            self._queue.add(key_of(deployment))

    def _add_owner(self, namespace: str, reference: OwnerReference | None) -> None:
        if reference is not None and reference.kind == Deployment.GVK.kind:
            self._queue.add(f"{namespace}/{reference.name}")

    async def _reconcile(self, key: str) -> float | None:
        await self._written.shown(key)  # else two sets would grow into the same room
        deployment = self._deployments.get(*split_key(key))
        if deployment is None:
            return None
        namespace = deployment.metadata.namespace
        candidates = [
            *self._sets.by_index(BY_CONTROLLER, deployment.metadata.uid),
            *self._sets.by_index(ORPHANS, namespace),
        ]
        sets = await claimed(
            self._context.client, self._executor, deployment, deployment.spec.selector, candidates
        )
        observed = Observed(
            deployment=deployment,
            sets=tuple(sets),
            old_pods_exist=self._old_pods_exist(deployment, sets),
            occupant=self._sets.get(namespace, replicasets.name_of_new(deployment)),
        )
        now = self._context.clock.now()
        plan = plan_deployment(observed, now)
        try:
            await self._execute(key, plan)
        except CreateRefused as refused:
            name = refused.action.object.metadata.name  # type: ignore[attr-defined]  # a ReplicaSet
            told = plan_create_failure(deployment, name, refused.error.message, now)
            await self._executor.execute(told.actions)
            raise refused.error from None
        return plan.requeue_after

    async def _execute(self, key: str, plan: Plan) -> None:
        def note(written: TypedModel) -> None:
            if isinstance(written, ReplicaSet):
                self._written.note(key, written)

        try:
            await self._executor.execute(plan.actions, note)
        except CreateRefused as refused:
            self._written.failed(key, refused.error)
            raise
        except (ApiError, ApiUnavailable) as error:
            self._written.failed(key, error)
            raise

    def _old_pods_exist(self, deployment: Deployment, sets: list[ReplicaSet]) -> bool:
        new = replicasets.find_new(deployment, sets)
        return any(
            not pods.is_terminal(pod)
            for rs in sets
            if new is None or rs.metadata.uid != new.metadata.uid
            for pod in self._pods.by_index(BY_CONTROLLER, rs.metadata.uid)
        )
