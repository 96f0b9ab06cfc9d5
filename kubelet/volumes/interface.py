"""What volumes mean to the rest of the kubelet: host paths, mounts and one error.

The collaborators a volume manager needs (objects, tokens) are protocols here, so that the manager
knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from wherry.api.core_v1 import (
    ConfigMap,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    Secret,
)


@dataclass(frozen=True)
class Mount:
    """A bind mount into a container. `propagation` is Docker's word: rslave, rshared, or empty: its own
    choice, which is private but for folders that hold its root (or lie in it): those it refuses else."""

    source: Path
    target: str
    read_only: bool = False
    propagation: str = ""


@dataclass(frozen=True)
class Device:
    """A block device given to a container. `permissions` is Docker's word: rwm, or r."""

    source: Path
    target: str
    permissions: str = "rwm"


class VolumeError(Exception):
    """A volume can't be made (now). `reason` and `message` are those of the pod's event."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ObjectSource(Protocol):
    """The objects that pods of this node refer to; None when there is none."""

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None: ...

    async def secret(self, namespace: str, name: str) -> Secret | None: ...

    async def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None: ...

    async def persistent_volume(self, name: str) -> PersistentVolume | None:
        """VolumeError when the API server does not tell."""
        ...

    def node(self) -> Node | None:
        """This node as last heard of: limits that are not set fall back on it."""
        ...


@dataclass(frozen=True)
class Token:
    """A service-account token and its end."""

    text: str
    expires: datetime


class TokenSource(Protocol):
    """Tokens bound to a pod, as fresh as they must be."""

    async def token(self, pod: Pod, audience: str, expiration_seconds: int) -> Token: ...

    def forget(self, pod_uid: str) -> None:
        """Drop what is remembered for a pod that is gone."""
        ...
