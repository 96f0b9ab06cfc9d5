"""Where a pod may and would rather run."""

from __future__ import annotations

from wherry.api.meta_v1.meta import LabelSelector
from wherry.api.model import Int32, Int64, Model, wire


class NodeSelectorRequirement(Model):
    key: str = wire("", required=True, zero="kept")
    operator: str = wire(
        "", required=True, zero="kept", enum=("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")
    )
    values: list[str] = wire([], list_type="atomic")


class NodeSelectorTerm(Model):
    ATOMIC = True

    match_expressions: list[NodeSelectorRequirement] = wire([], list_type="atomic")
    match_fields: list[NodeSelectorRequirement] = wire([], list_type="atomic")


class NodeSelector(Model):
    ATOMIC = True

    node_selector_terms: list[NodeSelectorTerm] = wire(
        [], required=True, zero="kept", list_type="atomic"
    )


class PreferredSchedulingTerm(Model):
    weight: Int32 = wire(0, required=True, zero="kept")
    preference: NodeSelectorTerm = wire(struct=NodeSelectorTerm, required=True, zero="kept")


class NodeAffinity(Model):
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: list[PreferredSchedulingTerm] = wire(
        [], list_type="atomic"
    )


class PodAffinityTerm(Model):
    label_selector: LabelSelector | None = None
    namespaces: list[str] = wire([], list_type="atomic")
    topology_key: str = wire("", required=True, zero="kept")
    namespace_selector: LabelSelector | None = None
    match_label_keys: list[str] = wire([], list_type="atomic")
    mismatch_label_keys: list[str] = wire([], list_type="atomic")


class WeightedPodAffinityTerm(Model):
    weight: Int32 = wire(0, required=True, zero="kept")
    pod_affinity_term: PodAffinityTerm = wire(struct=PodAffinityTerm, required=True, zero="kept")


class PodAffinity(Model):
    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = wire(
        [], list_type="atomic"
    )
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = wire(
        [], list_type="atomic"
    )


class PodAntiAffinity(Model):
    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = wire(
        [], list_type="atomic"
    )
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = wire(
        [], list_type="atomic"
    )


class Affinity(Model):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class Toleration(Model):
    key: str = ""
    operator: str = wire("", enum=("Equal", "Exists", "Gt", "Lt"))
    value: str = ""
    effect: str = wire("", enum=("NoExecute", "NoSchedule", "PreferNoSchedule"))
    toleration_seconds: Int64 | None = None


class TopologySpreadConstraint(Model):
    max_skew: Int32 = wire(0, required=True, zero="kept")
    topology_key: str = wire("", required=True, zero="kept")
    when_unsatisfiable: str = wire(
        "", required=True, zero="kept", enum=("DoNotSchedule", "ScheduleAnyway")
    )
    label_selector: LabelSelector | None = None
    min_domains: Int32 | None = None
    node_affinity_policy: str | None = wire(None, enum=("Honor", "Ignore"))
    node_taints_policy: str | None = wire(None, enum=("Honor", "Ignore"))
    match_label_keys: list[str] = wire([], list_type="atomic")
