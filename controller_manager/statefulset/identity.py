"""What makes a StatefulSet's pod the one it is: its ordinal, name, labels, claims. Pure.

The name follows from the ordinal, so the server itself refuses a second pod of one ordinal.

Source of the rules: upstream's pkg/controller/statefulset/stateful_set_utils.
"""

from __future__ import annotations

import re

from controller_manager.history import HASH
from controller_manager.ownership import controller_reference
from wherry.api.apps_v1 import StatefulSet
from wherry.api.core_v1 import PersistentVolumeClaim, Pod, PodTemplateSpec, Volume
from wherry.api.meta_v1 import ObjectMeta

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"

_MEMBER = re.compile(r"(.*)-([0-9]+)")


def replicas_of(stateful_set: StatefulSet) -> int:
    return 1 if stateful_set.spec.replicas is None else stateful_set.spec.replicas


def start_of(stateful_set: StatefulSet) -> int:
    return stateful_set.spec.ordinals.start if stateful_set.spec.ordinals else 0


def ordinals_of(stateful_set: StatefulSet) -> range:
    """The ordinals that should have a pod."""
    start = start_of(stateful_set)
    return range(start, start + replicas_of(stateful_set))


def ordinal_of(stateful_set: StatefulSet, pod: Pod) -> int | None:
    """The pod's ordinal; None when its name is not of this set."""
    found = _MEMBER.fullmatch(pod.metadata.name)
    if found is None or found[1] != stateful_set.metadata.name:
        return None
    return int(found[2])


def pod_name(stateful_set: StatefulSet, ordinal: int) -> str:
    return f"{stateful_set.metadata.name}-{ordinal}"


def identity_labels(stateful_set: StatefulSet, ordinal: int) -> dict[str, str]:
    return {POD_NAME: pod_name(stateful_set, ordinal), POD_INDEX: str(ordinal)}


def claim_name(stateful_set: StatefulSet, template: PersistentVolumeClaim, ordinal: int) -> str:
    return f"{template.metadata.name}-{stateful_set.metadata.name}-{ordinal}"


def new_pod(
    stateful_set: StatefulSet, template: PodTemplateSpec, revision: str, ordinal: int
) -> Pod:
    """The pod of an ordinal, of the template that `revision` names."""
    name = pod_name(stateful_set, ordinal)
    claimed = [
        Volume.from_wire(
            {
                "name": claim.metadata.name,
                "persistentVolumeClaim": {"claimName": claim_name(stateful_set, claim, ordinal)},
            }
        )
        for claim in stateful_set.spec.volume_claim_templates
    ]
    names = {volume.name for volume in claimed}
    others = [volume for volume in template.spec.volumes if volume.name not in names]
    labels = {**template.metadata.labels, **identity_labels(stateful_set, ordinal), HASH: revision}
    return Pod(
        metadata=ObjectMeta(
            name=name,
            generate_name=f"{stateful_set.metadata.name}-",
            namespace=stateful_set.metadata.namespace,
            labels=labels,
            annotations=template.metadata.annotations,
            finalizers=template.metadata.finalizers,
            owner_references=[controller_reference(stateful_set)],
        ),
        spec=template.spec.with_(
            hostname=name,
            subdomain=stateful_set.spec.service_name,
            volumes=[*claimed, *others],
        ),
    )
