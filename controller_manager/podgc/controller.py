"""Every 20 seconds: looks for pods that have to go, and forces them out."""

from __future__ import annotations

import logging
from datetime import datetime

from controller_manager.context import Context
from controller_manager.metrics import PodGcMetrics
from controller_manager.podgc import plan
from wherry.api.core_v1 import Node
from wherry.api.errors import ApiError
from wherry.client.transport import ApiUnavailable

log = logging.getLogger(__name__)

PERIOD_SECONDS = 20.0


class PodGcController:
    """A periodic sweep over all pods; it needs no queue, for it loses nothing by coming late."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("pod-garbage-collector")
        self._pods = context.informers.pods
        self._nodes = context.informers.nodes
        self._metrics = PodGcMetrics(context.registry)
        self._missing: dict[str, datetime] = {}

    async def run(self) -> None:
        while True:
            try:
                await self._sweep()
            except ApiUnavailable as error:
                log.warning("pod collection stops until the server answers: %s", error)
            await self._context.clock.sleep(PERIOD_SECONDS)

    async def _sweep(self) -> None:
        now = self._context.clock.now()
        every = self._pods.list()
        gone = await self._gone_nodes(now)
        doomed = [
            *plan.terminated(every, self._context.options.terminated_pod_gc_threshold),
            *plan.terminating_out_of_service(every, self._lost_nodes()),
            *plan.orphaned(every, gone),
            *plan.unscheduled_terminating(every),
        ]
        for one in doomed:
            metadata = one.pod.metadata
            log.info("forcing out pod %s/%s: %s", metadata.namespace, metadata.name, one.message)
            labels = metadata.namespace, one.reason
            try:
                await self._executor.execute(plan.force_out(one, now))
                self._metrics.deleted.labels(*labels).inc()
            except ApiError as error:
                self._metrics.failed.labels(*labels).inc()
                log.warning("%s/%s: %s", metadata.namespace, metadata.name, error)

    def _lost_nodes(self) -> frozenset[str]:
        return frozenset(
            node.metadata.name
            for node in self._nodes.list()
            if any(t.key == plan.OUT_OF_SERVICE for t in node.spec.taints)
            and not any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
        )

    async def _gone_nodes(self, now: datetime) -> frozenset[str]:
        """Nodes that pods name and that, asked of the server itself, do not exist."""
        named = {pod.spec.node_name for pod in self._pods.list()} - {""}
        known = {node.metadata.name for node in self._nodes.list()}
        self._missing, due = plan.after_quarantine(named - known, self._missing, now)
        gone = set()
        for name in due:
            try:
                await self._context.client.get(Node, name)
            except ApiError as error:
                if error.code != 404:
                    raise
                gone.add(name)
        return frozenset(gone)
