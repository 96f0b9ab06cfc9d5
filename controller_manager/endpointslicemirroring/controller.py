"""Observes Endpoints, Services and the mirrored slices; plans, executes."""

from __future__ import annotations

from controller_manager.context import Context, keys_of
from controller_manager.endpointslicemirroring.plan import SERVICE_LABEL, Observed, plan_mirror
from controller_manager.informers import BY_SERVICE
from wherry.api.core_v1 import Endpoints, Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


class EndpointSliceMirroringController:
    """Keeps slices for Endpoints that no selector makes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("endpoint-slice-mirroring-controller")
        self._endpoints = context.informers.endpoints
        self._services = context.informers.services
        self._slices = context.informers.mirrored_slices
        self._queue: WorkQueue[str] = WorkQueue("endpoint_slice_mirroring")
        self._endpoints.add_handler(self._on_change)
        self._services.add_handler(self._on_service)
        self._slices.add_handler(self._on_slice)

    async def run(self) -> None:
        workers = self._context.options.mirroring_concurrent_service_endpoint_syncs
        await self._context.work(
            "endpoint_slice_mirroring",
            self._reconcile,
            self._queue,
            workers,
            keys_of(self._endpoints),
        )

    def _on_change(self, before: Endpoints | None, after: Endpoints | None) -> None:
        changed = after or before
        if changed is not None:
            self._queue.add(key_of(changed))

    def _on_service(self, before: Service | None, after: Service | None) -> None:
        """Only whether it selects matters."""
        was, is_ = (one is not None and bool(one.spec.selector) for one in (before, after))
        changed = after or before
        if changed is not None and (before is None or after is None or was != is_):
            self._queue.add(key_of(changed))

    def _on_slice(self, before: EndpointSlice | None, after: EndpointSlice | None) -> None:
        for piece in (before, after):
            name = "" if piece is None else piece.metadata.labels.get(SERVICE_LABEL, "")
            if piece is not None and name:
                self._queue.add(f"{piece.metadata.namespace}/{name}")

    async def _reconcile(self, key: str) -> float | None:
        where = split_key(key)
        observed = Observed(
            self._endpoints.get(*where),
            self._services.get(*where),
            tuple(self._slices.by_index(BY_SERVICE, key)),
        )
        await self._executor.execute(plan_mirror(observed))
        return None
