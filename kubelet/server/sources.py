"""What the kubelet's server must know of this node's pods."""

from __future__ import annotations

from typing import Protocol

from kubelet.runtime.protocol import ContainerRecord
from wherry.api.core_v1 import Pod


class PodSource(Protocol):
    """Kept by the pod manager."""

    def pods(self) -> list[Pod]: ...

    def pod(self, namespace: str, name: str) -> Pod | None: ...

    def containers(self, pod_uid: str) -> list[ContainerRecord]:
        """The pod's containers as last observed, in any state; its sandbox is one of them."""
        ...
