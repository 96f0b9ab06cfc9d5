"""Claims, volumes and classes as the scheduler sees them, and what a pod's claims ask of its node.

Pure but for the view itself, which informers keep up to date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scheduler.state import NodeInfo
from wherry.api import volume_match
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.storage_v1 import StorageClass
from wherry.api.volumes import (
    NO_PROVISIONER,
    SELECTED_NODE,
    WAIT_FOR_FIRST_CONSUMER,
    class_of_claim,
    is_bound,
)


class Unusable(Exception):
    """The pod can run nowhere as its claims are; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a pod's claims ask of a node.

    bound:   volumes that must be reachable
    waiting: claims that get a volume when a node is chosen, with their class
    """

    bound: Sequence[PersistentVolume]
    waiting: Sequence[tuple[PersistentVolumeClaim, StorageClass]]


@dataclass
class Volumes:
    """What there is, by key or name."""

    claims: dict[str, PersistentVolumeClaim] = field(default_factory=dict)
    volumes: dict[str, PersistentVolume] = field(default_factory=dict)
    classes: dict[str, StorageClass] = field(default_factory=dict)

    def wanted(self, keys: Sequence[str]) -> Wanted:
        """Unusable when a claim is missing, being deleted, or has to be bound first."""
        bound, waiting = [], []
        for key in keys:
            claim = self.claims.get(key)
            name = key.partition("/")[2]
            if claim is None:
                raise Unusable(f'persistentvolumeclaim "{name}" not found')
            if claim.metadata.deletion_timestamp is not None:
                raise Unusable(f'persistentvolumeclaim "{name}" is being deleted')
            if claim.status.phase == "Lost":
                raise Unusable(f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.spec.volume_name}"')  # fmt: skip
            if is_bound(claim):
                volume = self.volumes.get(claim.spec.volume_name)
                if volume is None:
                    raise Unusable("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")  # fmt: skip
                bound.append(volume)
                continue
            found = self.classes.get(class_of_claim(claim))
            if found is None or found.volume_binding_mode != WAIT_FOR_FIRST_CONSUMER:
                raise Unusable("pod has unbound immediate PersistentVolumeClaims")
            waiting.append((claim, found))
        return Wanted(bound, waiting)

    def choose(
        self, wanted: Wanted, node: str, labels: Mapping[str, str]
    ) -> dict[str, PersistentVolume | None] | None:
        """For each waiting claim (by uid) the volume it would get on a node, None = to be made.

        None altogether when one can get none there.
        """
        chosen: dict[str, PersistentVolume | None] = {}
        taken: set[str] = set()
        for claim, found in wanted.waiting:
            free = [
                volume
                for name, volume in self.volumes.items()
                if name not in taken and volume_match.is_reachable(volume, node, labels)
            ]
            volume = volume_match.find(claim, free, only_reserved=False)
            if volume is not None:
                taken.add(volume.metadata.name)
            elif not can_provision(claim, found, node, labels):
                return None
            chosen[claim.metadata.uid] = volume
        return chosen


def can_provision(
    claim: PersistentVolumeClaim, found: StorageClass, node: str, labels: Mapping[str, str]
) -> bool:
    """Whether the class makes volumes for that node."""
    if found.provisioner == NO_PROVISIONER:
        return False
    if claim.metadata.annotations.get(SELECTED_NODE, node) != node:
        return False  # it is being made for another node
    return not found.allowed_topologies or any(
        all(labels.get(one.key) in one.values for one in term.match_label_expressions)
        for term in found.allowed_topologies
    )


def unreachable(wanted: Wanted, node: NodeInfo) -> bool:
    return not all(
        volume_match.is_reachable(volume, node.name, node.labels) for volume in wanted.bound
    )
