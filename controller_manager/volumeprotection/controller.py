"""Three small controllers: claims wait for pods, volumes for claims, classes for both."""

from __future__ import annotations

from typing import Any

from controller_manager.context import Context, keys_of
from controller_manager.informers import BY_CLAIM
from controller_manager.volumeprotection.plan import (
    claims_of,
    plan_claim,
    plan_class,
    plan_volume,
)
from wherry.api.core_v1 import Pod
from wherry.client.informer import Informer
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

WORKERS = 1


class ClaimProtectionController:
    """Lets go of deleted PersistentVolumeClaims that no pod uses."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("pvc-protection-controller")
        self._claims = context.informers.claims
        self._pods = context.informers.pods
        self._queue: WorkQueue[str] = WorkQueue("pvcprotection")
        _queue_deleted(self._claims, self._queue)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        await self._context.work(
            "pvcprotection", self._reconcile, self._queue, WORKERS, keys_of(self._claims)
        )

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        """A pod that is gone, or has ended."""
        if before is not None:
            held = set(claims_of(after)) if after is not None else set()
            for key in set(claims_of(before)) - held:
                self._queue.add(key)

    async def _reconcile(self, key: str) -> float | None:
        claim = self._claims.get(*split_key(key))
        plan = plan_claim(claim, self._pods.by_index(BY_CLAIM, key))
        await self._executor.execute(plan.actions)
        return plan.requeue_after


class VolumeProtectionController:
    """Lets go of deleted PersistentVolumes that are not bound."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("pv-protection-controller")
        self._volumes = context.informers.volumes
        self._queue: WorkQueue[str] = WorkQueue("pvprotection")
        _queue_deleted(self._volumes, self._queue)

    async def run(self) -> None:
        await self._context.work(
            "pvprotection", self._reconcile, self._queue, WORKERS, keys_of(self._volumes)
        )

    async def _reconcile(self, key: str) -> float | None:
        plan = plan_volume(self._volumes.get(*split_key(key)))
        await self._executor.execute(plan.actions)
        return plan.requeue_after


class ClassProtectionController:
    """Lets go of deleted VolumeAttributesClasses that nobody names."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("vac-protection-controller")
        self._classes = context.informers.attributes_classes
        self._claims = context.informers.claims
        self._volumes = context.informers.volumes
        self._queue: WorkQueue[str] = WorkQueue("vacprotection")
        _queue_deleted(self._classes, self._queue)
        self._claims.add_handler(self._on_user)
        self._volumes.add_handler(self._on_user)

    async def run(self) -> None:
        await self._context.work(
            "vacprotection", self._reconcile, self._queue, WORKERS, keys_of(self._classes)
        )

    def _on_user(self, before: Any | None, after: Any | None) -> None:
        """A claim or volume that is gone or has another class now."""
        if before is not None and before.spec.volume_attributes_class_name:
            self._queue.add(before.spec.volume_attributes_class_name)

    async def _reconcile(self, key: str) -> float | None:
        found = self._classes.get(*split_key(key))
        plan = plan_class(found, self._claims.list(), self._volumes.list())
        await self._executor.execute(plan.actions)
        return plan.requeue_after


def _queue_deleted(informer: Informer[Any], queue: WorkQueue[str]) -> None:
    """Look at every object that is being deleted."""

    def changed(before: Any | None, after: Any | None) -> None:
        if after is not None and after.metadata.deletion_timestamp is not None:
            queue.add(key_of(after))

    informer.add_handler(changed)
