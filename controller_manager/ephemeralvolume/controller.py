"""Watches pods with ephemeral volumes and makes their claims, anew when one is deleted."""

from __future__ import annotations

from controller_manager.context import Context
from controller_manager.ephemeralvolume.plan import belongs_to, has_ephemeral, plan_pod, refused
from controller_manager.executor import CreateRefused
from controller_manager.plan import Emit
from wherry.api.core_v1 import PersistentVolumeClaim, Pod
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


class EphemeralVolumeController:
    """Makes the claims of generic ephemeral volumes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("ephemeral_volume")
        self._pods = context.informers.pods
        self._claims = context.informers.claims
        self._queue: WorkQueue[str] = WorkQueue("ephemeral_volume")
        self._pods.add_handler(self._on_pod)
        self._claims.add_handler(self._on_claim)

    async def run(self) -> None:
        workers = self._context.options.concurrent_ephemeralvolume_syncs
        keys = [key_of(pod) for pod in self._pods.list() if has_ephemeral(pod)]
        await self._context.work("ephemeral_volume", self._reconcile, self._queue, workers, keys)

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        """A pod's volumes never change: new ones are enough."""
        replaced = before is None or (after and before.metadata.uid != after.metadata.uid)
        if after is not None and replaced and has_ephemeral(after):
            self._queue.add(key_of(after))

    def _on_claim(
        self, before: PersistentVolumeClaim | None, after: PersistentVolumeClaim | None
    ) -> None:
        """A claim that went: its pod still needs it, and so does one that it stood in the way of."""
        if after is not None or before is None:
            return
        name = before.metadata.name
        for pod in self._pods.list(before.metadata.namespace):
            if name.startswith(f"{pod.metadata.name}-") and has_ephemeral(pod):
                self._queue.add(key_of(pod))

    async def _reconcile(self, key: str) -> float | None:
        namespace, name = split_key(key)
        pod = self._pods.get(namespace, name)
        plan = plan_pod(pod, lambda claim: self._claims.get(namespace, claim))
        try:
            await self._executor.execute(plan.actions)
        except CreateRefused as failed:
            await self._tell(pod, failed)
            raise failed.error from None
        conflict = any(isinstance(action, Emit) for action in plan.actions)
        return CONFLICT_SECONDS if conflict else None

    async def _tell(self, pod: Pod | None, failed: CreateRefused) -> None:
        made = failed.action.object
        if pod is None or not isinstance(made, PersistentVolumeClaim) or not belongs_to(made, pod):
            return
        name = made.metadata.name
        volume = name.removeprefix(f"{pod.metadata.name}-")
        why = f"create PVC {name}: {failed.error.message}"
        await self._executor.execute([refused(pod, volume, why)])


CONFLICT_SECONDS = 30.0  # a claim that stands in the way may change its owner, unseen by us
