"""The `scale` subresource: a workload seen as a number of replicas. Pure.

Source: pkg/registry/apps/deployment/storage (ScaleREST) and autoscaling/v1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy
from wherry.api.errors import FieldError, invalid
from wherry.api.resource import Resource
from wherry.api.selectors import label_selector, match_labels

Tree = dict[str, Any]

SCALES: Final = Resource(
    "autoscaling", "v1", "Scale", "scales", "wherry.api.autoscaling_v1", stored=False
)


class ScaleRows(Strategy):
    """Only what `kubectl get --subresource=scale` prints; nothing is stored."""

    resource = SCALES
    columns = (
        NAME,
        Column("Desired", "integer", description="Replicas wanted."),
        Column("Available", "integer", description="Replicas there are."),
        AGE,
    )

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return (
            tree["metadata"]["name"],
            tree["spec"].get("replicas", 0),
            tree["status"]["replicas"],
            created(tree, now),
        )


SCALE_ROWS: Final = ScaleRows()


def scale_of(tree: Mapping[str, Any]) -> Tree:
    """The autoscaling/v1 Scale of an object."""
    found = tree["metadata"]
    metadata = {
        key: found[key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in found
    }
    spec, status = tree.get("spec") or {}, tree.get("status") or {}
    scale_spec = {"replicas": spec["replicas"]} if spec.get("replicas") else {}
    scale_status: Tree = {"replicas": status.get("replicas", 0)}
    if selector := spec.get("selector"):
        # A ReplicationController's is a plain map.
        plain = tree.get("kind") == "ReplicationController"
        expression = match_labels(selector) if plain else label_selector(selector)
        scale_status["selector"] = str(expression)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": scale_spec,
        "status": scale_status,
    }


def scaled(tree: Tree, scale: Mapping[str, Any]) -> None:
    """Give an object the replicas of a Scale; the Scale's resourceVersion becomes a condition."""
    tree.setdefault("spec", {})["replicas"] = (scale.get("spec") or {}).get("replicas", 0)
    metadata = scale.get("metadata") or {}
    for field in ("resourceVersion", "uid"):
        if metadata.get(field):
            tree["metadata"][field] = metadata[field]


def scale_errors(scale: Mapping[str, Any]) -> list[FieldError]:
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        return [invalid("spec.replicas", replicas, "must be greater than or equal to 0")]
    return []
