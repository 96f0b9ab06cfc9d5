"""Makes the `default` ServiceAccount of each namespace, and makes it again when deleted.

Pods cannot be created in a namespace before it has one.

Source of the rules: upstream's pkg/controller/serviceaccount.
"""

from __future__ import annotations

from controller_manager.context import Context, keys_of
from controller_manager.informers import DEFAULT_ACCOUNT
from controller_manager.plan import NOTHING, Create, Plan
from wherry.api.core_v1 import Namespace, ServiceAccount
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.workqueue import WorkQueue


def plan_account(namespace: Namespace | None, account: ServiceAccount | None) -> Plan:
    """The missing account of a live namespace."""
    if namespace is None or account is not None or not is_active(namespace):
        return NOTHING
    metadata = ObjectMeta(name=DEFAULT_ACCOUNT, namespace=namespace.metadata.name)
    return Plan((Create(ServiceAccount(metadata=metadata), exists_ok=True),))


def is_active(namespace: Namespace) -> bool:
    """Is it one that still takes new objects?"""
    return namespace.metadata.deletion_timestamp is None and namespace.status.phase != "Terminating"


class ServiceAccountController:
    """Watches namespaces and their default accounts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("serviceaccount-controller")
        self._namespaces = context.informers.namespaces
        self._accounts = context.informers.default_accounts
        self._queue: WorkQueue[str] = WorkQueue("serviceaccount")
        self._namespaces.add_handler(self._on_namespace)
        self._accounts.add_handler(self._on_account)

    async def run(self) -> None:
        workers = self._context.options.concurrent_serviceaccount_syncs
        await self._context.work(
            "serviceaccount", self._reconcile, self._queue, workers, keys_of(self._namespaces)
        )

    def _on_namespace(self, before: Namespace | None, after: Namespace | None) -> None:
        if after is not None:
            self._queue.add(after.metadata.name)

    def _on_account(self, before: ServiceAccount | None, after: ServiceAccount | None) -> None:
        if after is None and before is not None:
            self._queue.add(before.metadata.namespace)

    async def _reconcile(self, name: str) -> float | None:
        account = self._accounts.get(name, DEFAULT_ACCOUNT)
        plan = plan_account(self._namespaces.get("", name), account)
        await self._executor.execute(plan.actions)
        return plan.requeue_after
