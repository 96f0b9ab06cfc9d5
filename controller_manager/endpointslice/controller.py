"""Observes Services, their pods and slices, plans, executes."""

from __future__ import annotations

from controller_manager import services
from controller_manager.context import Context, keys_of
from controller_manager.endpointslice import hints
from controller_manager.endpointslice.plan import Observed, plan_slices
from controller_manager.informers import BY_NODE, BY_SERVICE
from controller_manager.services import ZONE_LABEL, TriggerTimes, affected
from wherry.api.core_v1 import Node, Pod, Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


class EndpointSliceController:
    """Keeps the EndpointSlices of each Service that selects pods."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("endpoint-slice-controller")
        self._services = context.informers.services
        self._pods = context.informers.pods
        self._nodes = context.informers.nodes
        self._slices = context.informers.endpoint_slices
        self._queue: WorkQueue[str] = WorkQueue("endpoint_slice")
        self._times = TriggerTimes()
        self._services.add_handler(self._on_service)
        self._pods.add_handler(self._on_pod)
        self._nodes.add_handler(self._on_node)
        self._slices.add_handler(self._on_slice)

    async def run(self) -> None:
        workers = self._context.options.concurrent_service_endpoint_syncs
        await self._context.work(
            "endpoint_slice", self._reconcile, self._queue, workers, keys_of(self._services)
        )

    def _on_service(self, before: Service | None, after: Service | None) -> None:
        changed = after or before
        if changed is not None:
            self._queue.add(key_of(changed))

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        changed = after or before
        if changed is not None:
            candidates = self._services.list(changed.metadata.namespace)
            for service in affected(candidates, before, after):
                self._queue.add(key_of(service))

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        """A node that appears or moves to another zone changes the endpoints on it, and the shares
        of Services that are shared out by the zones' CPUs."""
        changed = after or before
        if changed is None or (before and after and _of_node(before) == _of_node(after)):
            return
        for service in self._services.list():
            if hints.is_auto(service):
                self._queue.add(key_of(service))
        for pod in self._pods.by_index(BY_NODE, changed.metadata.name):
            for service in affected(self._services.list(pod.metadata.namespace), None, pod):
                self._queue.add(key_of(service))

    def _on_slice(self, before: EndpointSlice | None, after: EndpointSlice | None) -> None:
        for piece in (before, after):
            if piece is not None:
                name = piece.metadata.labels.get("kubernetes.io/service-name", "")
                if name:
                    self._queue.add(f"{piece.metadata.namespace}/{name}")

    async def _reconcile(self, key: str) -> float | None:
        service = self._services.get(*split_key(key))
        if service is None:
            self._times.forget(key)  # the garbage collector deletes the slices
            return None
        if not services.has_endpoints(service):
            return None
        chosen = tuple(
            pod
            for pod in self._pods.list(service.metadata.namespace)
            if services.selects(service, pod.metadata.labels)
        )
        observed = Observed(
            service=service,
            chosen=chosen,
            zone_of=self._zone_of,
            slices=tuple(self._slices.by_index(BY_SERVICE, key)),
            changed_at=self._times.newest_change(key, service, chosen),
            cpu_shares=hints.cpu_shares(self._nodes.list()) if hints.is_auto(service) else {},
        )
        plan = plan_slices(observed, self._context.options.max_endpoints_per_slice)
        await self._executor.execute(plan.actions)
        return plan.requeue_after

    def _zone_of(self, name: str) -> str | None:
        node = self._nodes.get("", name)
        return None if node is None else _zone(node)


def _of_node(node: Node) -> tuple[object, ...]:
    """What of a node endpoints depend on."""
    ready = [one.status for one in node.status.conditions if one.type == "Ready"]
    labels = node.metadata.labels
    control = [label in labels for label in hints.CONTROL_PLANE_LABELS]
    return _zone(node), node.status.allocatable.get("cpu"), ready, control


def _zone(node: Node) -> str:
    return node.metadata.labels.get(ZONE_LABEL, "")
