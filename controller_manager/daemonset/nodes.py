"""Which nodes run a DaemonSet's pod, and the pod made for a node. Pure.

The pod is bound by the scheduler like any other: a required node affinity to `metadata.name` says
where, and tolerations of the system's own taints let it run on nodes that are unwell.

Source of the rules: upstream's pkg/controller/daemon (nodeShouldRunDaemonPod) and its util.
"""

from __future__ import annotations

from typing import NamedTuple

from controller_manager import naming
from controller_manager.history import GENERATION, HASH
from controller_manager.nodelifecycle.taints import (
    NO_EXECUTE,
    NO_SCHEDULE,
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
)
from controller_manager.ownership import controller_reference
from wherry.api.apps_v1 import DaemonSet
from wherry.api.core_v1 import Affinity, Node, Pod, PodSpec
from wherry.api.core_v1.affinity import (
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Toleration,
)
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.node_selector import NODE_NAME, matches_term
from wherry.api.taints import tolerates

TEMPLATE_GENERATION = "pod-template-generation"
PRESSURES = ("disk-pressure", "memory-pressure", "pid-pressure")
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"


class Fit(NamedTuple):
    """runs: a pod is made here. stays: a pod that is here may stay."""

    runs: bool
    stays: bool


def fit(daemon_set: DaemonSet, node: Node) -> Fit:
    spec = daemon_set.spec.template.spec
    if spec.node_name and spec.node_name != node.metadata.name:
        return Fit(runs=False, stays=False)
    if not _selects(spec, node):
        return Fit(runs=False, stays=False)
    tolerations = with_tolerations(spec)
    untolerated = {taint.effect for taint in node.spec.taints if not tolerates(tolerations, taint)}
    runs = not untolerated & {NO_EXECUTE, NO_SCHEDULE}
    return Fit(runs=runs, stays=NO_EXECUTE not in untolerated)


def with_tolerations(spec: PodSpec) -> list[Toleration]:
    """The template's tolerations and those that every daemon pod has."""
    added = [(NOT_READY, NO_EXECUTE), (UNREACHABLE, NO_EXECUTE)]
    added += [(f"node.kubernetes.io/{name}", NO_SCHEDULE) for name in PRESSURES]
    added.append((UNSCHEDULABLE, NO_SCHEDULE))
    if spec.host_network:
        added.append((NETWORK_UNAVAILABLE, NO_SCHEDULE))
    tolerations = list(spec.tolerations)
    for key, effect in added:
        toleration = Toleration(key=key, operator="Exists", effect=effect)
        if toleration not in tolerations:
            tolerations.append(toleration)
    return tolerations


def _selects(spec: PodSpec, node: Node) -> bool:
    labels = node.metadata.labels
    if not spec.node_selector.items() <= labels.items():
        return False
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity and affinity.required_during_scheduling_ignored_during_execution
    if not required:
        return True
    return any(
        matches_term(term, node.metadata.name, labels) for term in required.node_selector_terms
    )


def node_of(pod: Pod) -> str:
    """The node the pod is on, or was made for; empty when neither is told."""
    if pod.spec.node_name:
        return pod.spec.node_name
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity and affinity.required_during_scheduling_ignored_during_execution
    for term in required.node_selector_terms if required else ():
        for one in term.match_fields:
            if one.key == NODE_NAME and one.operator == "In" and len(one.values) == 1:
                return one.values[0]
    return ""


def _only_on(spec: PodSpec, node: str) -> Affinity:
    """The template's affinity with the required node terms replaced by the one node."""
    name = NodeSelectorRequirement(key=NODE_NAME, operator="In", values=[node])
    terms = NodeSelector(node_selector_terms=[NodeSelectorTerm(match_fields=[name])])
    affinity = spec.affinity or Affinity()
    to_nodes = affinity.node_affinity or NodeAffinity()
    to_nodes = to_nodes.with_(required_during_scheduling_ignored_during_execution=terms)
    return affinity.with_(node_affinity=to_nodes)


def new_pod(daemon_set: DaemonSet, node: str, hash_: str, known: list[Pod]) -> Pod:
    """The pod for a node; `known`: the pods that are there already."""
    metadata, template = daemon_set.metadata, daemon_set.spec.template
    base = f"{metadata.name}-"[: naming.BASE_CHARS_MAX]
    labels = {**template.metadata.labels, HASH: hash_}
    generation = metadata.annotations.get(GENERATION)
    if generation:
        labels[TEMPLATE_GENERATION] = generation
    return Pod(
        metadata=ObjectMeta(
            name=base + naming.suffix(naming.digest(metadata.uid, known, hash_), node),
            generate_name=base,
            namespace=metadata.namespace,
            labels=labels,
            annotations=template.metadata.annotations,
            finalizers=template.metadata.finalizers,
            owner_references=[controller_reference(daemon_set)],
        ),
        spec=template.spec.with_(
            affinity=_only_on(template.spec, node), tolerations=with_tolerations(template.spec)
        ),
    )


def is_updated(daemon_set: DaemonSet, pod: Pod, hash_: str) -> bool:
    """Is the pod of the present template?"""
    generation = daemon_set.metadata.annotations.get(GENERATION)
    labels = pod.metadata.labels
    return labels.get(HASH) == hash_ or (
        bool(generation) and labels.get(TEMPLATE_GENERATION) == generation
    )
