"""What every pod's worker shares: the node's collaborators and its fixed facts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubelet.metrics import Metrics
from kubelet.network.cni import Cni
from kubelet.node.address import NodeAddress
from kubelet.objects import NodeObjects
from kubelet.pods import containers
from kubelet.pods.bounding import Bounding
from kubelet.pods.cache import ContainerCache
from kubelet.pods.cgroups import NodeFacts
from kubelet.pods.dns import Resolver
from kubelet.pods.images import Images
from kubelet.probes.manager import ProbeManager, ProbeRunner
from kubelet.runtime.protocol import Runtime
from kubelet.volumes.manager import VolumeManager
from wherry.api.core_v1 import ObjectReference, Pod
from wherry.client.events import EventRecorder
from wherry.client.rest import Client
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeSettings:
    """Who this node is and how its pods find names."""

    name: str
    where: NodeAddress
    sandbox_image: str
    cluster_dns: Sequence[str]
    cluster_domain: str
    host_resolver: Resolver
    host_hosts: Path
    facts: NodeFacts
    seccomp_root: Path = Path("/var/lib/kubelet/seccomp")
    dead_kept: int = 1  # ended runs of a container beside its newest
    unsafe_sysctls: Sequence[str] = ()  # names (or `prefix*`) that pods may set although unsafe

    @property
    def address(self) -> str:
        """The node's address at this moment."""
        return self.where.current

    @property
    def addresses(self) -> tuple[str, ...]:
        """That address, and the one of the other IP family if there is one."""
        return self.where.all


@dataclass(frozen=True)
class Services:
    """The node's collaborators, made once by the composition root."""

    node: NodeSettings
    client: Client
    runtime: Runtime
    cache: ContainerCache
    cni: Cni
    volumes: VolumeManager
    objects: NodeObjects
    probes: ProbeManager
    prober: ProbeRunner
    images: Images
    bounding: Bounding
    recorder: EventRecorder
    clock: Clock
    metrics: Metrics

    def event(self, pod: Pod, type: str, reason: str, message: str, container: str = "") -> None:
        """An event about the pod, or about one of its containers."""
        meta = pod.metadata
        log.info("%s/%s %s: %s", meta.namespace, meta.name, reason, message)
        path = ""
        if container:
            path = containers.field_path(pod, container)
        self.recorder.event(pod, type, reason, message, field_path=path)

    def node_event(self, reason: str, message: str, type: str = "Normal") -> None:
        """An event about this node; upstream's kubelet gives the name for the uid."""
        log.info("node %s: %s", reason, message)
        node = ObjectReference(kind="Node", name=self.node.name, uid=self.node.name)
        self.recorder.event(node, type, reason, message)
