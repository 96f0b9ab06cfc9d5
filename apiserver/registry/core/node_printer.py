"""Table rows of nodes.

Source: printNode of pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, NONE, UNKNOWN, created
from apiserver.registry.strategy import Column

_ROLE_PREFIX: Final = "node-role.kubernetes.io/"
_ROLE_LABEL: Final = "kubernetes.io/role"

COLUMNS: Final = (
    NAME,
    Column("Status", description="Whether the node is ready and takes pods."),
    Column("Roles", description="The roles its labels name."),
    AGE,
    Column("Version", description="The kubelet's version."),
    Column("Internal-IP", description="Its address inside the cluster.", priority=1),
    Column("External-IP", description="Its address outside.", priority=1),
    Column("OS-Image", description="The operating system it runs.", priority=1),
    Column("Kernel-Version", description="The kernel it runs.", priority=1),
    Column("Container-Runtime", description="What runs its containers.", priority=1),
)


def node_row(tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
    """The cells of a node's row."""
    status = tree["status"]
    info = status.get("nodeInfo", {})
    return (
        tree["metadata"]["name"],
        ",".join(_status(tree)),
        ",".join(roles(tree["metadata"].get("labels", {}))) or NONE,
        created(tree, now),
        info.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    )


def _status(tree: Mapping[str, Any]) -> list[str]:
    words = [
        "Ready" if one["status"] == "True" else "NotReady"
        for one in tree["status"].get("conditions", ())
        if one["type"] == "Ready"
    ][-1:] or ["Unknown"]
    return [*words, "SchedulingDisabled"] if tree["spec"].get("unschedulable") else words


def roles(labels: Mapping[str, str]) -> list[str]:
    """The roles a node's labels give it."""
    found = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    found.add(labels.get(_ROLE_LABEL, ""))
    return sorted(found - {""})


def _address(status: Mapping[str, Any], kind: str) -> str:
    return next(
        (one["address"] for one in status.get("addresses", ()) if one["type"] == kind), NONE
    )
