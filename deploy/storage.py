"""The StorageClass that a new cluster begins with: claims get folders of the nodes, so they just work.

It is made when there is no class at all, and then people's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import httpx

from deploy.discovery import reason
from deploy.nodes import connect
from deploy.preflight import Problem

PATH: Final = "/apis/storage.k8s.io/v1/storageclasses"
NAME: Final = "local-path"
PROVISIONER: Final = "wherry.io/local-path"


def default_class(folder: Path) -> dict[str, Any]:
    """`folder`: where, on each machine, volumes lie."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": NAME,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "parameters": {"path": str(folder)},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def offer(kubeconfig: Path, folder: Path) -> None:
    """Make the class unless the cluster has classes already. Problem when the API server refuses."""
    with connect(kubeconfig) as client:
        try:
            listed = client.get(PATH).raise_for_status().json()
            if listed["items"]:
                return
            made = client.post(PATH, json=default_class(folder))
            if made.status_code != httpx.codes.CONFLICT:
                made.raise_for_status()
        except httpx.HTTPError as error:
            raise Problem(f"no StorageClass could be made: {reason(error)}", "wherry up") from error
