"""The one list of strategies: how each stored kind behaves.

`strategies()` makes them for a cluster's own networks; `STRATEGIES` is the list with upstream's
defaults. A test holds it against the scheme: every stored resource has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from apiserver.registry.admissionregistration.bindings import (
    MutatingAdmissionPolicyBindingStrategy,
    ValidatingAdmissionPolicyBindingStrategy,
)
from apiserver.registry.admissionregistration.policies import (
    MutatingAdmissionPolicyStrategy,
    ValidatingAdmissionPolicyStrategy,
)
from apiserver.registry.admissionregistration.webhooks import (
    MutatingWebhookConfigurationStrategy,
    ValidatingWebhookConfigurationStrategy,
)
from apiserver.registry.apps.controllerrevision import ControllerRevisionStrategy
from apiserver.registry.apps.daemonset import DaemonSetStrategy
from apiserver.registry.apps.deployment import DeploymentStrategy
from apiserver.registry.apps.replicaset import ReplicaSetStrategy
from apiserver.registry.apps.statefulset import StatefulSetStrategy
from apiserver.registry.autoscaling.horizontalpodautoscaler import HorizontalPodAutoscalerStrategy
from apiserver.registry.batch.cronjob import CronJobStrategy
from apiserver.registry.batch.job import JobStrategy
from apiserver.registry.certificates.certificatesigningrequest import (
    CertificateSigningRequestStrategy,
)
from apiserver.registry.coordination.lease import LeaseStrategy
from apiserver.registry.core.configmap import ConfigMapStrategy
from apiserver.registry.core.endpoints import EndpointsStrategy
from apiserver.registry.core.event import EventStrategy
from apiserver.registry.core.limitrange import LimitRangeStrategy
from apiserver.registry.core.namespace import NamespaceStrategy
from apiserver.registry.core.node import NodeStrategy
from apiserver.registry.core.persistentvolume import PersistentVolumeStrategy
from apiserver.registry.core.persistentvolumeclaim import PersistentVolumeClaimStrategy
from apiserver.registry.core.pod import PodStrategy
from apiserver.registry.core.podtemplate import PodTemplateStrategy
from apiserver.registry.core.replicationcontroller import ReplicationControllerStrategy
from apiserver.registry.core.resourcequota import ResourceQuotaStrategy
from apiserver.registry.core.secret import SecretStrategy
from apiserver.registry.core.service import DEFAULT_NETWORKS, DEFAULT_NODE_PORTS, ServiceStrategy
from apiserver.registry.core.service_allocator import Network
from apiserver.registry.core.serviceaccount import ServiceAccountStrategy
from apiserver.registry.discovery.endpointslice import EndpointSliceStrategy
from apiserver.registry.flowcontrol.flowschema import FlowSchemaStrategy
from apiserver.registry.flowcontrol.prioritylevelconfiguration import (
    PriorityLevelConfigurationStrategy,
)
from apiserver.registry.networking.ingress import IngressStrategy
from apiserver.registry.networking.ingressclass import IngressClassStrategy
from apiserver.registry.networking.ipaddress import IPAddressStrategy
from apiserver.registry.networking.networkpolicy import NetworkPolicyStrategy
from apiserver.registry.networking.servicecidr import ServiceCIDRStrategy
from apiserver.registry.node.runtimeclass import RuntimeClassStrategy
from apiserver.registry.policy.poddisruptionbudget import PodDisruptionBudgetStrategy
from apiserver.registry.rbac.bindings import ClusterRoleBindingStrategy, RoleBindingStrategy
from apiserver.registry.rbac.roles import ClusterRoleStrategy, RoleStrategy
from apiserver.registry.resource.deviceclass import DeviceClassStrategy
from apiserver.registry.resource.resourceclaim import (
    ResourceClaimStrategy,
    ResourceClaimTemplateStrategy,
)
from apiserver.registry.resource.resourceslice import ResourceSliceStrategy
from apiserver.registry.scheduling.priorityclass import PriorityClassStrategy
from apiserver.registry.storage.csidriver import CSIDriverStrategy
from apiserver.registry.storage.csinode import CSINodeStrategy
from apiserver.registry.storage.csistoragecapacity import CSIStorageCapacityStrategy
from apiserver.registry.storage.storageclass import StorageClassStrategy
from apiserver.registry.storage.volumeattachment import VolumeAttachmentStrategy
from apiserver.registry.storage.volumeattributesclass import VolumeAttributesClassStrategy
from apiserver.registry.strategy import Strategy
from wherry.api.scheme import Resource

# All but Services, whose strategy is told the address ranges.
_PLAIN: Final[tuple[type[Strategy], ...]] = (
    CSIDriverStrategy,
    CSINodeStrategy,
    CSIStorageCapacityStrategy,
    CertificateSigningRequestStrategy,
    ClusterRoleBindingStrategy,
    ClusterRoleStrategy,
    ConfigMapStrategy,
    ControllerRevisionStrategy,
    CronJobStrategy,
    DaemonSetStrategy,
    DeploymentStrategy,
    DeviceClassStrategy,
    EndpointSliceStrategy,
    EndpointsStrategy,
    EventStrategy,
    FlowSchemaStrategy,
    HorizontalPodAutoscalerStrategy,
    IPAddressStrategy,
    IngressClassStrategy,
    IngressStrategy,
    JobStrategy,
    LeaseStrategy,
    LimitRangeStrategy,
    MutatingAdmissionPolicyBindingStrategy,
    MutatingAdmissionPolicyStrategy,
    MutatingWebhookConfigurationStrategy,
    NamespaceStrategy,
    NetworkPolicyStrategy,
    NodeStrategy,
    PersistentVolumeClaimStrategy,
    PersistentVolumeStrategy,
    PodDisruptionBudgetStrategy,
    PodStrategy,
    PodTemplateStrategy,
    PriorityClassStrategy,
    PriorityLevelConfigurationStrategy,
    ReplicaSetStrategy,
    ReplicationControllerStrategy,
    ResourceClaimStrategy,
    ResourceClaimTemplateStrategy,
    ResourceQuotaStrategy,
    ResourceSliceStrategy,
    RoleBindingStrategy,
    RoleStrategy,
    RuntimeClassStrategy,
    SecretStrategy,
    ServiceAccountStrategy,
    ServiceCIDRStrategy,
    StatefulSetStrategy,
    StorageClassStrategy,
    ValidatingAdmissionPolicyBindingStrategy,
    ValidatingAdmissionPolicyStrategy,
    ValidatingWebhookConfigurationStrategy,
    VolumeAttachmentStrategy,
    VolumeAttributesClassStrategy,
)


def strategies(
    service_networks: Sequence[Network] = DEFAULT_NETWORKS,
    node_ports: tuple[int, int] = DEFAULT_NODE_PORTS,
    service_cidrs: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
) -> Mapping[Resource, Strategy]:
    """A strategy for every stored resource. `service_cidrs` gives the ServiceCIDR objects."""
    services = ServiceStrategy(service_networks, node_ports, service_cidrs)
    made = [*(plain() for plain in _PLAIN), services]
    return MappingProxyType({one.resource: one for one in made})


STRATEGIES: Final[Mapping[Resource, Strategy]] = strategies()
