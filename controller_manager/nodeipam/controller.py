"""Watches nodes and gives those without a pod range one; does nothing unless it is asked to."""

from __future__ import annotations

from controller_manager.context import Context, keys_of
from controller_manager.nodeipam.plan import make_ranges, mask_sizes, plan_node
from wherry.api.core_v1 import Node
from wherry.client.workqueue import WorkQueue
from wherry.daemon.process import StartError


class NodeIpamController:
    """One worker only: allocations must see each other."""

    def __init__(self, context: Context) -> None:
        options = context.options
        self._context = context
        self._executor = context.executor("cidrAllocator")
        self._nodes = context.informers.nodes
        self._queue: WorkQueue[str] = WorkQueue("node_ipam")
        cidrs = options.cluster_cidr if options.allocate_node_cidrs else []
        if options.allocate_node_cidrs and not cidrs:
            raise StartError("--allocate-node-cidrs without a range", "set --cluster-cidr")
        try:
            masks = mask_sizes(
                cidrs,
                options.node_cidr_mask_size,
                options.node_cidr_mask_size_ipv4,
                options.node_cidr_mask_size_ipv6,
            )
            self._ranges = make_ranges(cidrs, masks, options.service_cluster_ip_range)
        except ValueError as error:
            raise StartError(f"--cluster-cidr: {error}", "correct the range") from error
        if self._ranges:
            self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        keys = keys_of(self._nodes) if self._ranges else []
        await self._context.work("node_ipam", self._reconcile, self._queue, 1, keys)

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        changed = after or before
        if changed is not None:
            self._queue.add(changed.metadata.name)

    async def _reconcile(self, name: str) -> float | None:
        node = self._nodes.get("", name)
        if node is None:
            for one in self._ranges:
                one.pending.pop(name, None)
            return None
        plan = plan_node(node, self._nodes.list(), self._ranges)
        await self._executor.execute(plan.actions)
        return plan.requeue_after
