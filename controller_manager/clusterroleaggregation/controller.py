"""Watches ClusterRoles, and keeps those that gather rules up to date."""

from __future__ import annotations

from controller_manager.clusterroleaggregation.plan import plan_aggregation
from controller_manager.context import Context, keys_of
from wherry.api.rbac_v1 import ClusterRole
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

WORKERS = 1


class ClusterRoleAggregationController:
    """Any role may be part of any other, and roles are few: a change concerns all that gather."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("clusterrole-aggregation-controller")
        self._roles = context.informers.cluster_roles
        self._queue: WorkQueue[str] = WorkQueue("ClusterRoleAggregator")
        self._roles.add_handler(self._on_role)

    async def run(self) -> None:
        await self._context.work(
            "clusterrole-aggregation", self._reconcile, self._queue, WORKERS, keys_of(self._roles)
        )

    def _on_role(self, before: ClusterRole | None, after: ClusterRole | None) -> None:
        for role in self._roles.list():
            if role.aggregation_rule is not None:
                self._queue.add(key_of(role))

    async def _reconcile(self, key: str) -> float | None:
        plan = plan_aggregation(self._roles.get(*split_key(key)), self._roles.list())
        await self._executor.execute(plan.actions)
        return plan.requeue_after
