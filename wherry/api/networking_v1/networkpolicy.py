"""NetworkPolicys."""

from __future__ import annotations

from wherry.api.meta_v1.meta import LabelSelector, ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, IntOrString, Model, TypedModel, wire


class NetworkPolicyPort(Model):
    protocol: str | None = wire(None, enum=("SCTP", "TCP", "UDP"))
    port: IntOrString | None = None
    end_port: Int32 | None = None


class IPBlock(Model):
    cidr: str = wire("", required=True, zero="kept")
    except_: list[str] = wire([], list_type="atomic")


class NetworkPolicyPeer(Model):
    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class NetworkPolicyEgressRule(Model):
    ports: list[NetworkPolicyPort] = wire([], list_type="atomic")
    to: list[NetworkPolicyPeer] = wire([], list_type="atomic")


class NetworkPolicyIngressRule(Model):
    ports: list[NetworkPolicyPort] = wire([], list_type="atomic")
    from_: list[NetworkPolicyPeer] = wire([], list_type="atomic")


class NetworkPolicySpec(Model):
    pod_selector: LabelSelector = wire(struct=LabelSelector, zero="kept")
    ingress: list[NetworkPolicyIngressRule] = wire([], list_type="atomic")
    egress: list[NetworkPolicyEgressRule] = wire([], list_type="atomic")
    policy_types: list[str] = wire([], list_type="atomic")


class NetworkPolicy(TypedModel):
    GVK = GroupVersionKind("networking.k8s.io", "v1", "NetworkPolicy")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: NetworkPolicySpec = wire(struct=NetworkPolicySpec)
