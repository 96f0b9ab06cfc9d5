"""Which part a machine plays, written on its Node as only an administrator may.

A control plane's machine has the label `node-role.kubernetes.io/control-plane` always, and the taint of
the same name while there are others to run ordinary pods; that comes and goes with the others, so the
controller manager sees to it (`controlplanetaint/`) for Nodes that are annotated here.

Source: cmd/kubeadm/app/phases/markcontrolplane.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import httpx

from deploy.discovery import reason
from deploy.nodes import MERGE, connect
from deploy.preflight import Problem

CONTROL_PLANE: Final = "node-role.kubernetes.io/control-plane"
TAINTED_WHEN: Final = (
    "wherry.io/control-plane-taint"  # "alone" or "others": when it was last seen to
)


def mark_control_plane(kubeconfig: Path, name: str) -> None:
    """Label a Node, and have its taint looked after. Problem when the API server refuses."""
    path = f"/api/v1/nodes/{name}"
    with connect(kubeconfig) as client:
        try:
            metadata = client.get(path).raise_for_status().json()["metadata"]
            changed: dict[str, Any] = {}
            if CONTROL_PLANE not in (metadata.get("labels") or {}):
                changed["labels"] = {CONTROL_PLANE: ""}
            if TAINTED_WHEN not in (metadata.get("annotations") or {}):
                changed["annotations"] = {TAINTED_WHEN: "alone"}
            if changed:
                client.patch(path, json={"metadata": changed}, headers=MERGE).raise_for_status()
        except httpx.HTTPError as error:
            raise Problem(f"node {name} can't be labelled: {reason(error)}", "wherry up") from error


def post(kubeconfig: Path, path: str, tree: dict[str, Any]) -> None:
    """Make an object as the administrator. Problem when the API server refuses."""
    with connect(kubeconfig) as client:
        try:
            client.post(path, json=tree).raise_for_status()
        except httpx.HTTPError as error:
            what = f"{tree['kind']} {tree['metadata']['name']}"
            raise Problem(f"{what} can't be made: {reason(error)}", "wherry up") from error
