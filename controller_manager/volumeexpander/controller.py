"""Watches bound claims that ask for more."""

from __future__ import annotations

from controller_manager.context import Context, keys_of
from controller_manager.volumeexpander.plan import plan_growth
from wherry.api.core_v1 import PersistentVolumeClaim
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

WORKERS = 1


class VolumeExpanderController:
    """Lets volumes grow with their claims."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("volume_expand")
        self._claims = context.informers.claims
        self._volumes = context.informers.volumes
        self._queue: WorkQueue[str] = WorkQueue("volume_expand")
        self._claims.add_handler(self._on_claim)

    async def run(self) -> None:
        await self._context.work(
            "volume_expand", self._reconcile, self._queue, WORKERS, keys_of(self._claims)
        )

    def _on_claim(
        self, before: PersistentVolumeClaim | None, after: PersistentVolumeClaim | None
    ) -> None:
        """Once bound, and whenever it asks for something else."""
        if after is None or after.status.phase != "Bound":
            return
        if before is None or before.status.phase != "Bound" or before.spec != after.spec:
            self._queue.add(key_of(after))

    async def _reconcile(self, key: str) -> float | None:
        claim = self._claims.get(*split_key(key))
        volume = self._volumes.get("", claim.spec.volume_name) if claim is not None else None
        plan = plan_growth(claim, volume)
        await self._executor.execute(plan.actions)
        return plan.requeue_after
