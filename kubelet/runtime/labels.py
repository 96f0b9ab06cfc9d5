"""What the kubelet writes on a container so that a restarted kubelet knows everything again.

The names under `io.kubernetes.` are the ones every Kubernetes node tool reads; those under
`io.wherry.` are ours. A container without `NODE` (with this node's name) is not ours: it is never
listed, stopped or removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
POD_GRACE = "io.kubernetes.pod.terminationGracePeriod"
CONTAINER_NAME = "io.kubernetes.container.name"
TERMINATION_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy"

NODE = "io.wherry.node"
TYPE = "io.wherry.type"
ATTEMPT = "io.wherry.attempt"
SANDBOX = "io.wherry.sandbox"
SPEC_HASH = "io.wherry.spec-hash"
# Seconds to wait before the *next* restart, should this attempt end: the back-off survives us.
RESTART_DELAY = "io.wherry.restart-delay-seconds"
# How often all containers of the pod had been restarted together before this one was made.
ROUND = "io.wherry.round"
IMAGE = "io.wherry.image"
STOP_SIGNAL = "io.wherry.stop-signal"
TERMINATION_FILE = "io.wherry.termination-file"

TYPE_SANDBOX = "sandbox"
TYPE_CONTAINER = "container"
SANDBOX_CONTAINER_NAME = "POD"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose container it is."""

    pod_uid: str
    pod_name: str
    pod_namespace: str
    container: str
    attempt: int

    @property
    def docker_name(self) -> str:
        """The name Docker shows: `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`."""
        return (
            f"k8s_{self.container}_{self.pod_name}_{self.pod_namespace}_{self.pod_uid}"
            f"_{self.attempt}"
        )

    def labels(self, node: str) -> dict[str, str]:
        sandbox = self.container == SANDBOX_CONTAINER_NAME
        return {
            NODE: node,
            TYPE: TYPE_SANDBOX if sandbox else TYPE_CONTAINER,
            POD_NAME: self.pod_name,
            POD_NAMESPACE: self.pod_namespace,
            POD_UID: self.pod_uid,
            CONTAINER_NAME: self.container,
            ATTEMPT: str(self.attempt),
        }


def identity(labels: Mapping[str, str]) -> Identity:
    """Read back what `Identity.labels` wrote."""
    return Identity(
        pod_uid=labels.get(POD_UID, ""),
        pod_name=labels.get(POD_NAME, ""),
        pod_namespace=labels.get(POD_NAMESPACE, ""),
        container=labels.get(CONTAINER_NAME, ""),
        attempt=int(labels.get(ATTEMPT) or 0),
    )
