"""Questions about one pod that several controllers ask. Pure.

Source of the rules: upstream's pkg/api/v1/pod and pkg/controller utilities.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from wherry.api.core_v1 import Affinity, Container, Pod, PodCondition, PodSpec
from wherry.api.meta_v1 import ObjectMeta

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})


def condition(pod: Pod, type_: str) -> PodCondition | None:
    return next((c for c in pod.status.conditions if c.type == type_), None)


def is_ready(pod: Pod) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.status == "True"


def ready_since(pod: Pod) -> datetime | None:
    """When the pod became ready; None when it is not."""
    found = condition(pod, "Ready")
    if found is None or found.status != "True":
        return None
    return found.last_transition_time


def is_terminal(pod: Pod) -> bool:
    """Its containers have ended and will not be started again."""
    return pod.status.phase in TERMINAL_PHASES


def is_terminating(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def is_active(pod: Pod) -> bool:
    """Counts as a replica: neither ended nor being deleted."""
    return not is_terminal(pod) and not is_terminating(pod)


def is_available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Ready, and for at least `min_ready_seconds`."""
    if not is_ready(pod):
        return False
    return until_available(pod, min_ready_seconds, now) == 0.0


def until_available(pod: Pod, min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until a ready pod counts as available (0.0: it does); None when it is not ready."""
    if not is_ready(pod):
        return None
    if min_ready_seconds == 0:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return float(min_ready_seconds)
    return max(0.0, (since + timedelta(seconds=min_ready_seconds) - now).total_seconds())


def key(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def slim(pod: Pod) -> Pod:
    """The pod without what no controller reads, for informers: a third of the memory.

    Never written back: controllers change pods by patches only.
    """
    spec = PodSpec(
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
    return pod.with_(metadata=slim_metadata(pod.metadata), spec=spec)


def _destination(pod: Pod) -> Affinity | None:
    """The node affinity of a pod that waits for the one node it was made for (DaemonSets)."""
    if pod.spec.node_name or pod.spec.affinity is None or pod.spec.affinity.node_affinity is None:
        return None
    if not any(ref.controller and ref.kind == "DaemonSet" for ref in pod.metadata.owner_references):
        return None
    return Affinity(node_affinity=pod.spec.affinity.node_affinity)


def slim_metadata(metadata: ObjectMeta) -> ObjectMeta:
    """Without managedFields, which no controller reads."""
    return metadata.with_(managed_fields=[])
