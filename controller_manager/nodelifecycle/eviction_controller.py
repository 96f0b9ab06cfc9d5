"""Evicts pods from nodes with NoExecute taints, when their tolerations run out."""

from __future__ import annotations

from datetime import datetime

from controller_manager.context import Context
from controller_manager.informers import BY_NODE
from controller_manager.metrics import pod_deletions
from controller_manager.nodelifecycle.eviction import plan_eviction
from controller_manager.nodelifecycle.taints import NO_EXECUTE
from controller_manager.plan import Delete
from wherry.api.core_v1 import Node, Pod
from wherry.api.core_v1.node import Taint
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

WORKERS = 8


class TaintEvictionController:
    """Watches nodes' taints and the pods on them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("taint-eviction-controller")
        self._nodes = context.informers.nodes
        self._pods = context.informers.pods
        self._queue: WorkQueue[str] = WorkQueue("taint_eviction")
        self._deletions = pod_deletions(context.registry)
        self._noted: dict[str, datetime] = {}  # pods that wait for eviction, by uid: since when
        self._nodes.add_handler(self._on_node)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        held = [node.metadata.name for node in self._nodes.list() if _expelling(node)]
        keys = [key_of(pod) for name in held for pod in self._pods.by_index(BY_NODE, name)]
        await self._context.work("taint_eviction", self._reconcile, self._queue, WORKERS, keys)

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        held = [_expelling(node) for node in (before, after)]
        changed = after or before
        if changed is not None and held[0] != held[1]:
            for pod in self._pods.by_index(BY_NODE, changed.metadata.name):
                self._queue.add(key_of(pod))

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        if after is None:
            if before is not None:
                self._noted.pop(before.metadata.uid, None)
        elif after.spec.node_name and (
            before is None
            or before.spec.node_name != after.spec.node_name
            or before.spec.tolerations != after.spec.tolerations
        ):
            self._queue.add(key_of(after))

    async def _reconcile(self, key: str) -> float | None:
        pod = self._pods.get(*split_key(key))
        node = self._nodes.get("", pod.spec.node_name) if pod is not None else None
        if pod is None or node is None:
            return None
        uid = pod.metadata.uid
        now = self._context.clock.now()
        plan = plan_eviction(pod, _expelling(node), self._noted.get(uid), now)
        await self._executor.execute(plan.actions)
        self._deletions.inc(sum(isinstance(action, Delete) for action in plan.actions))
        if plan.requeue_after is None:
            self._noted.pop(uid, None)
        else:
            self._noted.setdefault(uid, now)
        return plan.requeue_after


def _expelling(node: Node | None) -> list[Taint]:
    return [] if node is None else [t for t in node.spec.taints if t.effect == NO_EXECUTE]
