"""What the two kinds of update leave alone where spec and status have different writers. Pure.

Source: k8s.io/apimachinery/pkg/apis/meta/v1 (ResetObjectMetaForStatus).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.registry.strategy import Tree


def keep_status(tree: Tree, old: Mapping[str, Any]) -> None:
    """An update of the main resource does not change the status."""
    tree["status"] = dict(old["status"])


def keep_all_but_status(tree: Tree, old: Mapping[str, Any]) -> None:
    """A status update changes the status and its ownership, nothing else."""
    tree["spec"] = dict(old["spec"])
    managed = tree["metadata"].get("managedFields")
    tree["metadata"] = {k: v for k, v in old["metadata"].items() if k != "resourceVersion"}
    tree["metadata"].pop("managedFields", None)
    if managed is not None:
        tree["metadata"]["managedFields"] = managed
