"""Watches ServiceCIDRs and the addresses in them."""

from __future__ import annotations

from controller_manager.context import Context, keys_of
from controller_manager.servicecidr.plan import plan_service_cidr
from wherry.api.networking_v1 import IPAddress, ServiceCIDR
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

WORKERS = 1


class ServiceCidrController:
    """Says which networks of Services are ready; lets deleted ones go when they are free."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("service-cidr-controller")
        self._cidrs = context.informers.service_cidrs
        self._addresses = context.informers.addresses
        self._queue: WorkQueue[str] = WorkQueue("servicecidrs")
        self._cidrs.add_handler(self._on_cidr)
        self._addresses.add_handler(self._on_address)

    async def run(self) -> None:
        await self._context.work(
            "servicecidrs", self._reconcile, self._queue, WORKERS, keys_of(self._cidrs)
        )

    def _on_cidr(self, before: ServiceCIDR | None, after: ServiceCIDR | None) -> None:
        """A network that comes may free another that wants to go."""
        if after is not None:
            self._queue.add(key_of(after))
        if before is None:
            self._look_at_deleted()

    def _on_address(self, before: IPAddress | None, after: IPAddress | None) -> None:
        if before is None or after is None:
            self._look_at_deleted()

    def _look_at_deleted(self) -> None:
        for cidr in self._cidrs.list():
            if cidr.metadata.deletion_timestamp is not None:
                self._queue.add(key_of(cidr))

    async def _reconcile(self, key: str) -> float | None:
        cidr = self._cidrs.get(*split_key(key))
        others = [one for one in self._cidrs.list() if key_of(one) != key]
        now = self._context.clock.now()
        plan = plan_service_cidr(cidr, others, self._addresses.list(), now)
        await self._executor.execute(plan.actions)
        return plan.requeue_after
