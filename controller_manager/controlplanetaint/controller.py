"""Looks at a control plane's Nodes whenever there are more or fewer nodes."""

from __future__ import annotations

from controller_manager.context import Context, keys_of
from controller_manager.controlplanetaint.plan import ROLE, is_looked_after, plan_taint
from wherry.api.core_v1 import Node
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


class ControlPlaneTaintController:
    """Keeps the taint of control planes as the other nodes make it right."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("control-plane-taint-controller")
        self._nodes = context.informers.nodes
        self._queue: WorkQueue[str] = WorkQueue("control_plane_taint")
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        await self._context.work(
            "control_plane_taint", self._reconcile, self._queue, 1, keys_of(self._nodes)
        )

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        came_or_went = before is None or after is None or _role(before) != _role(after)
        for one in self._nodes.list() if came_or_went else [after] if after is not None else []:
            if is_looked_after(one):
                self._queue.add(key_of(one))

    async def _reconcile(self, key: str) -> float | None:
        node = self._nodes.get(*split_key(key))
        if node is not None:
            await self._executor.execute(plan_taint(node, self._nodes.list()).actions)
        return None


def _role(node: Node) -> tuple[bool, bool]:
    return ROLE in node.metadata.labels, node.metadata.deletion_timestamp is None
