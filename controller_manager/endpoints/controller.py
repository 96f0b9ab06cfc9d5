"""Observes Services, their pods and Endpoints, plans, executes."""

from __future__ import annotations

from controller_manager import services
from controller_manager.context import Context, keys_of
from controller_manager.endpoints.plan import Observed, plan_endpoints
from controller_manager.services import TriggerTimes, affected
from wherry.api.core_v1 import Endpoints, Pod, Service
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

LEADER = "control-plane.alpha.kubernetes.io/leader"  # marks Endpoints used as an election's lock


class EndpointsController:
    """Keeps the Endpoints object of each Service that selects pods."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("endpoint-controller")
        self._services = context.informers.services
        self._pods = context.informers.pods
        self._endpoints = context.informers.endpoints
        self._queue: WorkQueue[str] = WorkQueue("endpoint")
        self._times = TriggerTimes()
        self._services.add_handler(self._on_service)
        self._pods.add_handler(self._on_pod)
        self._endpoints.add_handler(self._on_endpoints)

    async def run(self) -> None:
        workers = self._context.options.concurrent_endpoint_syncs
        left = [  # their Service may have gone while nobody led
            key_of(one) for one in self._endpoints.list() if LEADER not in one.metadata.annotations
        ]
        await self._context.work(
            "endpoint", self._reconcile, self._queue, workers, [*keys_of(self._services), *left]
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

    def _on_endpoints(self, before: Endpoints | None, after: Endpoints | None) -> None:
        """Somebody else's change is set right; Endpoints made before their Service are left alone."""
        changed = after or before
        if changed is not None and self._services.get(*split_key(key_of(changed))):
            self._queue.add(key_of(changed))

    async def _reconcile(self, key: str) -> float | None:
        namespace, name = split_key(key)
        service = self._services.get(namespace, name)
        current = self._endpoints.get(namespace, name)
        if service is None:
            self._times.forget(key)
        elif not services.has_endpoints(service):
            return None
        chosen = tuple(
            pod
            for pod in (self._pods.list(namespace) if service else ())
            if service and services.selects(service, pod.metadata.labels)
        )
        changed_at = self._times.newest_change(key, service, chosen) if service else None
        plan = plan_endpoints(Observed(service, chosen, current, changed_at))
        await self._executor.execute(plan.actions)
        return plan.requeue_after
