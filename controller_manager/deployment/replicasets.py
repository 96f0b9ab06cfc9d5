"""The ReplicaSets of a Deployment: which is the new one, how it is named and made. Pure.

The new set is found by comparing templates, never by its name: a hash that changes between versions
of this program must not start a rollout.

Source: upstream's pkg/controller/deployment/util.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import orjson

from controller_manager.ownership import controller_reference
from wherry.api.apps_v1 import Deployment, ReplicaSet
from wherry.api.apps_v1.replicaset import ReplicaSetSpec
from wherry.api.core_v1 import PodTemplateSpec
from wherry.api.meta_v1 import LabelSelector, ObjectMeta

HASH_LABEL = "pod-template-hash"

# Neither vowels nor 0, 1, 3: a hash never spells a word. The alphabet of generated names.
SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: PodTemplateSpec, collision_count: int | None) -> str:
    """A short name for a template, the same on every run."""
    canonical = orjson.dumps(template.to_wire(), option=orjson.OPT_SORT_KEYS)
    salt = b"" if collision_count is None else str(collision_count).encode()
    digest = hashlib.blake2b(canonical + salt, digest_size=4).digest()
    number = str(int.from_bytes(digest, "big"))
    return "".join(SAFE_ALPHABET[ord(char) % len(SAFE_ALPHABET)] for char in number)


def name_of_new(deployment: Deployment) -> str:
    """The name a ReplicaSet for the current template gets."""
    suffix = template_hash(deployment.spec.template, deployment.status.collision_count)
    return f"{deployment.metadata.name}-{suffix}"


def without_hash(template: PodTemplateSpec) -> PodTemplateSpec:
    labels = {k: v for k, v in template.metadata.labels.items() if k != HASH_LABEL}
    return template.with_(metadata=template.metadata.with_(labels=labels))


def same_template(deployment: Deployment, rs: ReplicaSet) -> bool:
    return without_hash(rs.spec.template) == without_hash(deployment.spec.template)


def by_age(sets: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Oldest first."""
    return sorted(sets, key=lambda rs: (_created(rs), rs.metadata.name))


def _created(rs: ReplicaSet) -> float:
    created = rs.metadata.creation_timestamp
    return created.timestamp() if created else float("inf")


def find_new(deployment: Deployment, sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The set with the Deployment's template; the oldest when there are several."""
    return next((rs for rs in by_age(sets) if same_template(deployment, rs)), None)


def make_new(
    deployment: Deployment, replicas: int, annotations: dict[str, str], suffix: str
) -> ReplicaSet:
    """The ReplicaSet for the current template."""
    spec = deployment.spec
    selector = spec.selector or LabelSelector()
    labels = {**spec.template.metadata.labels, HASH_LABEL: suffix}
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"{deployment.metadata.name}-{suffix}",
            namespace=deployment.metadata.namespace,
            labels=labels,
            annotations=annotations,
            owner_references=[controller_reference(deployment)],
        ),
        spec=ReplicaSetSpec(
            replicas=replicas,
            min_ready_seconds=spec.min_ready_seconds,
            selector=selector.with_(match_labels={**selector.match_labels, HASH_LABEL: suffix}),
            template=spec.template.with_(metadata=spec.template.metadata.with_(labels=labels)),
        ),
    )
