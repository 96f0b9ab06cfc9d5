"""What the scheduler believes of the cluster: nodes, the pods on them, and its own promises.

            Assume            Add (seen bound)
    Initial ──────► Assumed ──────────────────► Added ──► gone (Remove)
       ▲               │                          ▲
       └─── Forget ────┘     Add without Assume ──┘

A pod is *assumed* on its node from the moment of decision until the API shows it there, so that
deciding need not wait for binding. Deciding is synchronous: `nodes()` is a live view that nothing
moves under while a decision is made, so no snapshot is copied.

Source: upstream's pkg/scheduler/backend/cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest

from scheduler.framework import Happening
from scheduler.objects import Node
from scheduler.state import NodeInfo, PodInfo


class Cache:
    """Nodes by name, pods by key. Every pod here is on exactly one node."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._pods: dict[str, PodInfo] = {}
        self._assumed: set[str] = set()
        self._view: Sequence[NodeInfo] | None = None

    def nodes(self) -> Sequence[NodeInfo]:
        """The known nodes, zones taking turns. Valid until the cache changes."""
        if self._view is None:
            self._view = interleave([node for node in self._nodes.values() if node.known])
        return self._view

    def labels(self, name: str) -> Mapping[str, str]:
        """A node's labels; none when it is not known."""
        info = self._nodes.get(name)
        return info.labels if info is not None else {}

    # -- nodes

    def set_node(self, node: Node) -> frozenset[Happening]:
        """Take in a node's newest state; what changed for the better or worse."""
        name = node.metadata.name
        info = self._nodes.get(name)
        if info is None:
            info = self._nodes[name] = NodeInfo(name)
        before = _traits(info)
        new, zone = not info.known, info.zone
        info.take_node(node)
        if new or zone != info.zone:
            self._view = None
        if new:
            return frozenset({Happening.NODE_ADDED})
        return frozenset(
            happening
            for happening, old, now in zip(_TRAITS, before, _traits(info), strict=True)
            if old != now
        )

    def remove_node(self, name: str) -> None:
        """Offer the node no longer; it is kept as long as pods are on it."""
        info = self._nodes.get(name)
        if info is not None:
            self._nodes[name] = kept = NodeInfo(name)
            for pod in info.pods.values():
                kept.add(pod)
            self._drop_if_empty(kept)
            self._view = None

    # -- pods

    def __len__(self) -> int:
        """How many pods are known."""
        return len(self._pods)

    def get(self, key: str) -> PodInfo | None:
        return self._pods.get(key)

    def is_assumed(self, key: str) -> bool:
        return key in self._assumed

    @property
    def assumed(self) -> frozenset[str]:
        return frozenset(self._assumed)

    def assume(self, pod: PodInfo, node_name: str) -> None:
        """Count the pod on the node although the API does not show it there yet."""
        self._place(replace(pod, node_name=node_name))
        self._assumed.add(pod.key)

    def forget(self, key: str) -> None:
        """The assumption came to nothing."""
        if key in self._assumed:
            self.remove_pod(key)

    def add_pod(self, pod: PodInfo) -> bool:
        """Take in a pod that the API shows on a node; whether it asks for less than before."""
        before = self._pods.get(pod.key)
        self._place(pod)
        self._assumed.discard(pod.key)
        if before is None or before.uid != pod.uid:
            return False
        old, new = before.requests.amount, pod.requests.amount
        return old.milli_cpu > new.milli_cpu or old.memory > new.memory

    def remove_pod(self, key: str) -> None:
        pod = self._pods.pop(key, None)
        self._assumed.discard(key)
        if pod is not None:
            info = self._nodes[pod.node_name]
            info.remove(key)
            self._drop_if_empty(info)

    def _place(self, pod: PodInfo) -> None:
        before = self._pods.get(pod.key)
        if before is not None:
            self._nodes[before.node_name].remove(pod.key)
        self._pods[pod.key] = pod
        info = self._nodes.get(pod.node_name)
        if info is None:
            info = self._nodes[pod.node_name] = NodeInfo(pod.node_name)
        info.add(pod)
        if before is not None and before.node_name != pod.node_name:
            self._drop_if_empty(self._nodes[before.node_name])

    def _drop_if_empty(self, info: NodeInfo) -> None:
        if not info.known and not info.pods:
            del self._nodes[info.name]


_TRAITS = (Happening.NODE_ALLOCATABLE, Happening.NODE_LABELS, Happening.NODE_TAINTS)


def _traits(info: NodeInfo) -> tuple[object, object, object]:
    """What pods may have been refused for, in the order of `_TRAITS`."""
    return (
        (info.allocatable, info.allowed_pods),
        info.labels,
        (info.unschedulable, info.hard_taints),
    )


def interleave(nodes: Sequence[NodeInfo]) -> list[NodeInfo]:
    """One node of each zone, then the next of each: a search cut short still sees all zones."""
    zones: dict[str, list[NodeInfo]] = {}
    for node in nodes:
        zones.setdefault(node.zone, []).append(node)
    rounds = chain.from_iterable(zip_longest(*zones.values()))
    return [node for node in rounds if node is not None]
