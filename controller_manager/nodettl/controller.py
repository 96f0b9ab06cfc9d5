"""Writes `node.alpha.kubernetes.io/ttl` on every Node: the more nodes, the longer.

Kubelets of ours watch what they mount and need no such advice; upstream's take it.

Source: upstream's pkg/controller/ttl.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from controller_manager.context import Context, keys_of
from controller_manager.plan import Patch
from wherry.api.core_v1 import Node
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue

ANNOTATION = "node.alpha.kubernetes.io/ttl"
SECONDS = (0, 15, 30, 60, 300)
_GROWS_ABOVE = (100, 500, 1000, 2000)  # nodes, for the next of SECONDS
_SHRINKS_BELOW = (90, 450, 900, 1800)


def step_of(nodes: int, step: int) -> int:
    """Which of SECONDS; `step` is the one before, kept where the bounds overlap."""
    return max(bisect_left(_GROWS_ABOVE, nodes), min(step, bisect_right(_SHRINKS_BELOW, nodes)))


class NodeTtlController:
    """Looks at a Node whenever it changes, which it does every few minutes at least."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("ttl-controller")
        self._nodes = context.informers.nodes
        self._step = 0
        self._queue: WorkQueue[str] = WorkQueue("ttlcontroller")
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        await self._context.work(
            "ttlcontroller", self._reconcile, self._queue, 5, keys_of(self._nodes)
        )

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        if after is not None:
            self._queue.add(key_of(after))

    async def _reconcile(self, key: str) -> float | None:
        node = self._nodes.get(*split_key(key))
        if node is None:
            return None
        self._step = step_of(len(self._nodes.list()), self._step)
        text = str(SECONDS[self._step])
        if node.metadata.annotations.get(ANNOTATION) != text:
            patch = {"metadata": {"annotations": {ANNOTATION: text}}}
            await self._executor.execute([Patch(Node, "", node.metadata.name, patch)])
        return None
