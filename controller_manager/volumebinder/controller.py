"""Binds claims and volumes, and runs the built-in provisioner.

One worker for both: two claims must not be given one volume. Source: upstream's
pkg/controller/volume/persistentvolume.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from controller_manager.context import Context, keys_of
from controller_manager.informers import BY_CLAIM
from controller_manager.plan import Create, Emit
from controller_manager.volumebinder import local_path
from controller_manager.volumebinder.claims import Seen, plan_claim
from controller_manager.volumebinder.local_path import Left, Unfit, plan_reclaim, volume_for
from controller_manager.volumebinder.volumes import plan_volume
from wherry.api.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod
from wherry.api.errors import ApiError
from wherry.api.storage_v1 import StorageClass
from wherry.api.volumes import SELECTED_NODE, class_of_claim, is_claimed_by
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

log = logging.getLogger(__name__)

WORKERS = 1
# A claim that waits for a volume is looked at again although nothing is heard of one.
AGAIN_SECONDS = 15.0
CLAIM, VOLUME = "claim", "volume"


class VolumeBinderController:
    """Keys are `claim:<namespace>/<name>` and `volume:<name>`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._executor = context.executor("persistentvolume-controller")
        self._claims = context.informers.claims
        self._volumes = context.informers.volumes
        self._classes = context.informers.storage_classes
        self._nodes = context.informers.nodes
        self._pods = context.informers.pods
        self._cleaners = context.informers.volume_cleaners
        self._queue: WorkQueue[str] = WorkQueue("persistentvolume-binder")
        self._claims.add_handler(self._on_claim)
        self._volumes.add_handler(self._on_volume)
        self._cleaners.add_handler(self._on_cleaner)
        self._classes.add_handler(self._on_class)

    async def run(self) -> None:
        claims = [f"{CLAIM}:{key}" for key in keys_of(self._claims)]
        volumes = [f"{VOLUME}:{key}" for key in keys_of(self._volumes)]
        await self._context.work(
            "persistentvolume-binder", self._reconcile, self._queue, WORKERS, [*volumes, *claims]
        )

    # -- what happened

    def _on_claim(
        self, before: PersistentVolumeClaim | None, after: PersistentVolumeClaim | None
    ) -> None:
        for claim in (before, after):
            if claim is None:
                continue
            self._queue.add(f"{CLAIM}:{key_of(claim)}")
            if claim.spec.volume_name:
                self._queue.add(f"{VOLUME}:{claim.spec.volume_name}")

    def _on_volume(self, before: PersistentVolume | None, after: PersistentVolume | None) -> None:
        volume = after or before
        assert volume is not None, "a change has one side at least"
        self._queue.add(f"{VOLUME}:{volume.metadata.name}")
        reference = volume.spec.claim_ref
        if reference is not None:
            self._queue.add(f"{CLAIM}:{reference.namespace}/{reference.name}")
        elif after is not None and after.status.phase == "Available":
            self._wake(claim for claim in self._claims.list() if not claim.spec.volume_name)

    def _on_class(self, before: StorageClass | None, after: StorageClass | None) -> None:
        if after is not None:
            name = after.metadata.name
            self._wake(c for c in self._claims.list() if class_of_claim(c) == name)

    def _on_cleaner(self, before: Pod | None, after: Pod | None) -> None:
        pod = after or before
        assert pod is not None, "a change has one side at least"
        self._queue.add(f"{VOLUME}:{pod.metadata.name.removeprefix('delete-')}")

    def _wake(self, claims: Iterable[PersistentVolumeClaim]) -> None:
        for claim in claims:
            self._queue.add(f"{CLAIM}:{key_of(claim)}")

    # -- what to do

    async def _reconcile(self, key: str) -> float | None:
        kind, _, rest = key.partition(":")
        return await (self._claim(rest) if kind == CLAIM else self._volume(rest))

    async def _claim(self, key: str) -> float | None:
        claim = self._claims.get(*split_key(key))
        if claim is None:
            return None
        found = self._classes.get("", class_of_claim(claim))
        users = self._pods.by_index(BY_CLAIM, key)
        plan = plan_claim(
            Seen(
                claim,
                self._volumes.get("", claim.spec.volume_name) if claim.spec.volume_name else None,
                self._volumes.list() if not claim.spec.volume_name else (),
                found,
                sorted(pod.metadata.name for pod in users if not pod.spec.node_name),
            )
        )
        await self._executor.execute(plan.actions)
        if plan.provision and found is not None:
            await self._provision(claim, found)
        return AGAIN_SECONDS if claim.status.phase == "Pending" and plan.actions else None

    async def _provision(self, claim: PersistentVolumeClaim, found: StorageClass) -> None:
        name = claim.metadata.annotations.get(SELECTED_NODE, "")
        if any(is_claimed_by(volume, claim) for volume in self._volumes.list()):
            return  # it is made, and our caches will show it
        node = self._nodes.get("", name) if name else self._any_node()
        try:
            if node is None:
                raise Unfit(f"node {name or 'for the volume'} is not there")
            made = volume_for(claim, found, node)
        except Unfit as error:
            text = f'failed to provision volume with StorageClass "{found.metadata.name}": {error}'
            await self._executor.execute([Emit(claim, "Warning", "ProvisioningFailed", text)])
            return
        told = f"Successfully provisioned volume {made.metadata.name}"
        await self._executor.execute(
            [Create(made, exists_ok=True), Emit(claim, "Normal", "ProvisioningSucceeded", told)]
        )

    def _any_node(self) -> Node | None:
        """For classes that bind at once: a ready node, the same each time for one set of nodes."""
        ready = [
            node
            for node in self._nodes.list()
            if not node.spec.unschedulable
            and any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
        ]
        return min(ready, key=lambda node: node.metadata.name, default=None)

    async def _volume(self, name: str) -> float | None:
        volume = self._volumes.get("", name)
        if volume is None:
            return None
        # One that is being deleted still has its phase: its protection waits until it is left.
        plan = plan_volume(volume, await self._claim_of(volume))
        await self._executor.execute(plan.actions)
        if not plan.reclaim or volume.metadata.deletion_timestamp is not None:
            return None
        await self._executor.execute(plan_reclaim(await self._left(volume)))
        return AGAIN_SECONDS

    async def _claim_of(self, volume: PersistentVolume) -> PersistentVolumeClaim | None:
        """The claim, asked for anew before it is called gone: a volume may be deleted for that."""
        reference = volume.spec.claim_ref
        if reference is None:
            return None
        known = self._claims.get(reference.namespace, reference.name)
        if known is not None and known.metadata.uid == reference.uid:
            return known
        try:
            return await self._client.get(
                PersistentVolumeClaim, reference.name, reference.namespace
            )
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _left(self, volume: PersistentVolume) -> Left:
        host = local_path.host_of(volume)
        here = next(
            (n for n in self._nodes.list() if n.metadata.labels.get(local_path.HOSTNAME) == host),
            None,
        )
        # Our cache of nodes has no images.
        node = await self._client.get(Node, here.metadata.name) if here is not None else None
        name = local_path.cleaner_name(volume)
        return Left(volume, node, self._cleaners.get(local_path.NAMESPACE, name))
