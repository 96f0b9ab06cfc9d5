"""Objects without what no controller reads, and equal parts of them kept once: memory is the price of
a cache, and most pods are like their neighbours.

Slim objects are never written back: controllers change what they keep slim by patches only.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

from controller_manager import pods
from controller_manager.ownership import controller_of
from wherry.api.core_v1 import Affinity, Container, ContainerStatus, Pod, PodSpec, PodStatus
from wherry.api.meta_v1 import ObjectMeta

V = TypeVar("V")

PARTS_MAX = 8192  # equal parts known at a time; then it begins anew
CONDITIONS = frozenset({"Ready", "DisruptionTarget"})  # that others than Jobs ask for


class Parts:
    """Gives back the part that was there first, for parts that are equal and never changed."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def one(self, key: Hashable, part: V) -> V:
        found: V | None = self._known.get(key)
        if found is None:
            if len(self._known) >= PARTS_MAX:
                self._known.clear()
            self._known[key] = found = part
        return found


class PodSlimmer:
    """The transform of a cache of pods: a quarter of the memory."""

    def __init__(self) -> None:
        self._parts = Parts()

    def __call__(self, pod: Pod) -> Pod:
        metadata, spec = slim_metadata(pod.metadata), _spec(pod)
        owners, labels = metadata.owner_references, metadata.labels
        metadata = metadata.with_(
            labels=self._parts.one(("labels", *sorted(labels.items())), labels),
            owner_references=self._parts.one(("owners", *(o.to_json() for o in owners)), owners),
        )
        spec = self._parts.one(("spec", spec.to_json()), spec)
        return pod.with_(metadata=metadata, spec=spec, status=_status(pod))


def slim_metadata(metadata: ObjectMeta) -> ObjectMeta:
    """Without managedFields, which no controller reads."""
    return metadata.with_(managed_fields=[])


def _spec(pod: Pod) -> PodSpec:
    return PodSpec(
        containers=[Container(name=c.name, ports=c.ports) for c in pod.spec.containers],
        init_containers=[
            Container(name=c.name, ports=c.ports, restart_policy=c.restart_policy)
            for c in pod.spec.init_containers
        ],
        volumes=[
            v
            for v in pod.spec.volumes
            if v.persistent_volume_claim is not None or v.ephemeral is not None
        ],
        node_name=pod.spec.node_name,
        affinity=_destination(pod),
        host_network=pod.spec.host_network,
        hostname=pod.spec.hostname,
        subdomain=pod.spec.subdomain,
        tolerations=pod.spec.tolerations,
        termination_grace_period_seconds=pod.spec.termination_grace_period_seconds,
    )


def _destination(pod: Pod) -> Affinity | None:
    """The node affinity of a pod that waits for the one node it was made for (DaemonSets)."""
    if pod.spec.node_name or pod.spec.affinity is None or pod.spec.affinity.node_affinity is None:
        return None
    if not any(ref.controller and ref.kind == "DaemonSet" for ref in pod.metadata.owner_references):
        return None
    return Affinity(node_affinity=pod.spec.affinity.node_affinity)


def _status(pod: Pod) -> PodStatus:
    """A Job's failure policy may ask for any condition; how containers ended counts in the end."""
    status, owner = pod.status, controller_of(pod.metadata)
    of_job = owner is not None and owner.kind == "Job"
    return PodStatus(
        phase=status.phase,
        pod_ip=status.pod_ip,
        pod_ips=status.pod_ips,
        conditions=[c for c in status.conditions if of_job or c.type in CONDITIONS],
        container_statuses=_containers(pod, status.container_statuses),
        init_container_statuses=_containers(pod, status.init_container_statuses),
        start_time=status.start_time,
    )


def _containers(pod: Pod, statuses: list[ContainerStatus]) -> list[ContainerStatus]:
    ended = pods.is_terminal(pod)
    return [
        ContainerStatus(
            name=one.name, restart_count=one.restart_count, state=one.state, image="", image_id=""
        )
        for one in statuses
        if ended or one.restart_count
    ]
