"""The types of the core group, v1. A name is imported when it is first asked for."""

from wherry.api.core_v1.affinity import Affinity as Affinity
from wherry.api.core_v1.affinity import NodeAffinity as NodeAffinity
from wherry.api.core_v1.affinity import NodeSelector as NodeSelector
from wherry.api.core_v1.affinity import NodeSelectorRequirement as NodeSelectorRequirement
from wherry.api.core_v1.affinity import NodeSelectorTerm as NodeSelectorTerm
from wherry.api.core_v1.affinity import PodAffinity as PodAffinity
from wherry.api.core_v1.affinity import PodAffinityTerm as PodAffinityTerm
from wherry.api.core_v1.affinity import PodAntiAffinity as PodAntiAffinity
from wherry.api.core_v1.affinity import PreferredSchedulingTerm as PreferredSchedulingTerm
from wherry.api.core_v1.affinity import Toleration as Toleration
from wherry.api.core_v1.affinity import TopologySpreadConstraint as TopologySpreadConstraint
from wherry.api.core_v1.affinity import WeightedPodAffinityTerm as WeightedPodAffinityTerm
from wherry.api.core_v1.componentstatus import ComponentCondition as ComponentCondition
from wherry.api.core_v1.componentstatus import ComponentStatus as ComponentStatus
from wherry.api.core_v1.configmap import ConfigMap as ConfigMap
from wherry.api.core_v1.configmap import Secret as Secret
from wherry.api.core_v1.container import Container as Container
from wherry.api.core_v1.container import ContainerPort as ContainerPort
from wherry.api.core_v1.container import ContainerResizePolicy as ContainerResizePolicy
from wherry.api.core_v1.container import ContainerRestartRule as ContainerRestartRule
from wherry.api.core_v1.container import (
    ContainerRestartRuleOnExitCodes as ContainerRestartRuleOnExitCodes,
)
from wherry.api.core_v1.container import EphemeralContainer as EphemeralContainer
from wherry.api.core_v1.container import ResourceClaim as ResourceClaim
from wherry.api.core_v1.container import ResourceRequirements as ResourceRequirements
from wherry.api.core_v1.endpoints import EndpointAddress as EndpointAddress
from wherry.api.core_v1.endpoints import EndpointPort as EndpointPort
from wherry.api.core_v1.endpoints import Endpoints as Endpoints
from wherry.api.core_v1.endpoints import EndpointSubset as EndpointSubset
from wherry.api.core_v1.env import ConfigMapEnvSource as ConfigMapEnvSource
from wherry.api.core_v1.env import ConfigMapKeySelector as ConfigMapKeySelector
from wherry.api.core_v1.env import EnvFromSource as EnvFromSource
from wherry.api.core_v1.env import EnvVar as EnvVar
from wherry.api.core_v1.env import EnvVarSource as EnvVarSource
from wherry.api.core_v1.env import FileKeySelector as FileKeySelector
from wherry.api.core_v1.env import ObjectFieldSelector as ObjectFieldSelector
from wherry.api.core_v1.env import ResourceFieldSelector as ResourceFieldSelector
from wherry.api.core_v1.env import SecretEnvSource as SecretEnvSource
from wherry.api.core_v1.env import SecretKeySelector as SecretKeySelector
from wherry.api.core_v1.event import Event as Event
from wherry.api.core_v1.event import EventSeries as EventSeries
from wherry.api.core_v1.event import EventSource as EventSource
from wherry.api.core_v1.handler import ExecAction as ExecAction
from wherry.api.core_v1.handler import GRPCAction as GRPCAction
from wherry.api.core_v1.handler import HTTPGetAction as HTTPGetAction
from wherry.api.core_v1.handler import HTTPHeader as HTTPHeader
from wherry.api.core_v1.handler import Lifecycle as Lifecycle
from wherry.api.core_v1.handler import LifecycleHandler as LifecycleHandler
from wherry.api.core_v1.handler import Probe as Probe
from wherry.api.core_v1.handler import SleepAction as SleepAction
from wherry.api.core_v1.handler import TCPSocketAction as TCPSocketAction
from wherry.api.core_v1.limitrange import LimitRange as LimitRange
from wherry.api.core_v1.limitrange import LimitRangeItem as LimitRangeItem
from wherry.api.core_v1.limitrange import LimitRangeSpec as LimitRangeSpec
from wherry.api.core_v1.namespace import Namespace as Namespace
from wherry.api.core_v1.namespace import NamespaceCondition as NamespaceCondition
from wherry.api.core_v1.namespace import NamespaceSpec as NamespaceSpec
from wherry.api.core_v1.namespace import NamespaceStatus as NamespaceStatus
from wherry.api.core_v1.node import AttachedVolume as AttachedVolume
from wherry.api.core_v1.node import ConfigMapNodeConfigSource as ConfigMapNodeConfigSource
from wherry.api.core_v1.node import ContainerImage as ContainerImage
from wherry.api.core_v1.node import DaemonEndpoint as DaemonEndpoint
from wherry.api.core_v1.node import Node as Node
from wherry.api.core_v1.node import NodeAddress as NodeAddress
from wherry.api.core_v1.node import NodeCondition as NodeCondition
from wherry.api.core_v1.node import NodeConfigSource as NodeConfigSource
from wherry.api.core_v1.node import NodeConfigStatus as NodeConfigStatus
from wherry.api.core_v1.node import NodeDaemonEndpoints as NodeDaemonEndpoints
from wherry.api.core_v1.node import NodeFeatures as NodeFeatures
from wherry.api.core_v1.node import NodeRuntimeHandler as NodeRuntimeHandler
from wherry.api.core_v1.node import NodeRuntimeHandlerFeatures as NodeRuntimeHandlerFeatures
from wherry.api.core_v1.node import NodeSpec as NodeSpec
from wherry.api.core_v1.node import NodeStatus as NodeStatus
from wherry.api.core_v1.node import NodeSwapStatus as NodeSwapStatus
from wherry.api.core_v1.node import NodeSystemInfo as NodeSystemInfo
from wherry.api.core_v1.node import Taint as Taint
from wherry.api.core_v1.persistentvolume import (
    AzureFilePersistentVolumeSource as AzureFilePersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import (
    CephFSPersistentVolumeSource as CephFSPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import (
    CinderPersistentVolumeSource as CinderPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import (
    CSIPersistentVolumeSource as CSIPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import (
    FlexPersistentVolumeSource as FlexPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import (
    GlusterfsPersistentVolumeSource as GlusterfsPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import (
    ISCSIPersistentVolumeSource as ISCSIPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import LocalVolumeSource as LocalVolumeSource
from wherry.api.core_v1.persistentvolume import PersistentVolume as PersistentVolume
from wherry.api.core_v1.persistentvolume import PersistentVolumeSpec as PersistentVolumeSpec
from wherry.api.core_v1.persistentvolume import PersistentVolumeStatus as PersistentVolumeStatus
from wherry.api.core_v1.persistentvolume import (
    RBDPersistentVolumeSource as RBDPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import (
    ScaleIOPersistentVolumeSource as ScaleIOPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import SecretReference as SecretReference
from wherry.api.core_v1.persistentvolume import (
    StorageOSPersistentVolumeSource as StorageOSPersistentVolumeSource,
)
from wherry.api.core_v1.persistentvolume import VolumeNodeAffinity as VolumeNodeAffinity
from wherry.api.core_v1.persistentvolumeclaim import ModifyVolumeStatus as ModifyVolumeStatus
from wherry.api.core_v1.persistentvolumeclaim import (
    PersistentVolumeClaim as PersistentVolumeClaim,
)
from wherry.api.core_v1.persistentvolumeclaim import (
    PersistentVolumeClaimCondition as PersistentVolumeClaimCondition,
)
from wherry.api.core_v1.persistentvolumeclaim import (
    PersistentVolumeClaimStatus as PersistentVolumeClaimStatus,
)
from wherry.api.core_v1.pod import HostAlias as HostAlias
from wherry.api.core_v1.pod import Pod as Pod
from wherry.api.core_v1.pod import PodDNSConfig as PodDNSConfig
from wherry.api.core_v1.pod import PodDNSConfigOption as PodDNSConfigOption
from wherry.api.core_v1.pod import PodOS as PodOS
from wherry.api.core_v1.pod import PodReadinessGate as PodReadinessGate
from wherry.api.core_v1.pod import PodResourceClaim as PodResourceClaim
from wherry.api.core_v1.pod import PodSchedulingGate as PodSchedulingGate
from wherry.api.core_v1.pod import PodSchedulingGroup as PodSchedulingGroup
from wherry.api.core_v1.pod import PodSpec as PodSpec
from wherry.api.core_v1.pod import PodTemplateSpec as PodTemplateSpec
from wherry.api.core_v1.pod_status import (
    ContainerExtendedResourceRequest as ContainerExtendedResourceRequest,
)
from wherry.api.core_v1.pod_status import ContainerState as ContainerState
from wherry.api.core_v1.pod_status import ContainerStateRunning as ContainerStateRunning
from wherry.api.core_v1.pod_status import ContainerStateTerminated as ContainerStateTerminated
from wherry.api.core_v1.pod_status import ContainerStateWaiting as ContainerStateWaiting
from wherry.api.core_v1.pod_status import ContainerStatus as ContainerStatus
from wherry.api.core_v1.pod_status import ContainerUser as ContainerUser
from wherry.api.core_v1.pod_status import HostIP as HostIP
from wherry.api.core_v1.pod_status import ImageVolumeStatus as ImageVolumeStatus
from wherry.api.core_v1.pod_status import LinuxContainerUser as LinuxContainerUser
from wherry.api.core_v1.pod_status import (
    NodeAllocatableResourceClaimStatus as NodeAllocatableResourceClaimStatus,
)
from wherry.api.core_v1.pod_status import PodCondition as PodCondition
from wherry.api.core_v1.pod_status import (
    PodExtendedResourceClaimStatus as PodExtendedResourceClaimStatus,
)
from wherry.api.core_v1.pod_status import PodIP as PodIP
from wherry.api.core_v1.pod_status import PodResourceClaimStatus as PodResourceClaimStatus
from wherry.api.core_v1.pod_status import PodStatus as PodStatus
from wherry.api.core_v1.pod_status import ResourceHealth as ResourceHealth
from wherry.api.core_v1.pod_status import ResourceStatus as ResourceStatus
from wherry.api.core_v1.pod_status import VolumeMountStatus as VolumeMountStatus
from wherry.api.core_v1.pod_status import VolumeStatus as VolumeStatus
from wherry.api.core_v1.podtemplate import PodTemplate as PodTemplate
from wherry.api.core_v1.reference import Binding as Binding
from wherry.api.core_v1.reference import LocalObjectReference as LocalObjectReference
from wherry.api.core_v1.reference import ObjectReference as ObjectReference
from wherry.api.core_v1.reference import TypedLocalObjectReference as TypedLocalObjectReference
from wherry.api.core_v1.reference import TypedObjectReference as TypedObjectReference
from wherry.api.core_v1.replicationcontroller import (
    ReplicationController as ReplicationController,
)
from wherry.api.core_v1.replicationcontroller import (
    ReplicationControllerCondition as ReplicationControllerCondition,
)
from wherry.api.core_v1.replicationcontroller import (
    ReplicationControllerSpec as ReplicationControllerSpec,
)
from wherry.api.core_v1.replicationcontroller import (
    ReplicationControllerStatus as ReplicationControllerStatus,
)
from wherry.api.core_v1.resourcequota import ResourceQuota as ResourceQuota
from wherry.api.core_v1.resourcequota import ResourceQuotaSpec as ResourceQuotaSpec
from wherry.api.core_v1.resourcequota import ResourceQuotaStatus as ResourceQuotaStatus
from wherry.api.core_v1.resourcequota import (
    ScopedResourceSelectorRequirement as ScopedResourceSelectorRequirement,
)
from wherry.api.core_v1.resourcequota import ScopeSelector as ScopeSelector
from wherry.api.core_v1.security import AppArmorProfile as AppArmorProfile
from wherry.api.core_v1.security import Capabilities as Capabilities
from wherry.api.core_v1.security import PodSecurityContext as PodSecurityContext
from wherry.api.core_v1.security import SeccompProfile as SeccompProfile
from wherry.api.core_v1.security import SecurityContext as SecurityContext
from wherry.api.core_v1.security import SELinuxOptions as SELinuxOptions
from wherry.api.core_v1.security import Sysctl as Sysctl
from wherry.api.core_v1.security import (
    WindowsSecurityContextOptions as WindowsSecurityContextOptions,
)
from wherry.api.core_v1.service import ClientIPConfig as ClientIPConfig
from wherry.api.core_v1.service import LoadBalancerIngress as LoadBalancerIngress
from wherry.api.core_v1.service import LoadBalancerStatus as LoadBalancerStatus
from wherry.api.core_v1.service import PortStatus as PortStatus
from wherry.api.core_v1.service import Service as Service
from wherry.api.core_v1.service import ServicePort as ServicePort
from wherry.api.core_v1.service import ServiceSpec as ServiceSpec
from wherry.api.core_v1.service import ServiceStatus as ServiceStatus
from wherry.api.core_v1.service import SessionAffinityConfig as SessionAffinityConfig
from wherry.api.core_v1.serviceaccount import ServiceAccount as ServiceAccount
from wherry.api.core_v1.topology import (
    TopologySelectorLabelRequirement as TopologySelectorLabelRequirement,
)
from wherry.api.core_v1.topology import TopologySelectorTerm as TopologySelectorTerm
from wherry.api.core_v1.volume import (
    ClusterTrustBundleProjection as ClusterTrustBundleProjection,
)
from wherry.api.core_v1.volume import ConfigMapProjection as ConfigMapProjection
from wherry.api.core_v1.volume import ConfigMapVolumeSource as ConfigMapVolumeSource
from wherry.api.core_v1.volume import DownwardAPIProjection as DownwardAPIProjection
from wherry.api.core_v1.volume import DownwardAPIVolumeFile as DownwardAPIVolumeFile
from wherry.api.core_v1.volume import DownwardAPIVolumeSource as DownwardAPIVolumeSource
from wherry.api.core_v1.volume import EmptyDirVolumeSource as EmptyDirVolumeSource
from wherry.api.core_v1.volume import EphemeralVolumeSource as EphemeralVolumeSource
from wherry.api.core_v1.volume import HostPathVolumeSource as HostPathVolumeSource
from wherry.api.core_v1.volume import ImageVolumeSource as ImageVolumeSource
from wherry.api.core_v1.volume import KeyToPath as KeyToPath
from wherry.api.core_v1.volume import PersistentVolumeClaimSpec as PersistentVolumeClaimSpec
from wherry.api.core_v1.volume import (
    PersistentVolumeClaimTemplate as PersistentVolumeClaimTemplate,
)
from wherry.api.core_v1.volume import (
    PersistentVolumeClaimVolumeSource as PersistentVolumeClaimVolumeSource,
)
from wherry.api.core_v1.volume import PodCertificateProjection as PodCertificateProjection
from wherry.api.core_v1.volume import ProjectedVolumeSource as ProjectedVolumeSource
from wherry.api.core_v1.volume import SecretProjection as SecretProjection
from wherry.api.core_v1.volume import SecretVolumeSource as SecretVolumeSource
from wherry.api.core_v1.volume import (
    ServiceAccountTokenProjection as ServiceAccountTokenProjection,
)
from wherry.api.core_v1.volume import Volume as Volume
from wherry.api.core_v1.volume import VolumeDevice as VolumeDevice
from wherry.api.core_v1.volume import VolumeMount as VolumeMount
from wherry.api.core_v1.volume import VolumeProjection as VolumeProjection
from wherry.api.core_v1.volume import VolumeResourceRequirements as VolumeResourceRequirements
from wherry.api.core_v1.volume_plugins import (
    AWSElasticBlockStoreVolumeSource as AWSElasticBlockStoreVolumeSource,
)
from wherry.api.core_v1.volume_plugins import AzureDiskVolumeSource as AzureDiskVolumeSource
from wherry.api.core_v1.volume_plugins import AzureFileVolumeSource as AzureFileVolumeSource
from wherry.api.core_v1.volume_plugins import CephFSVolumeSource as CephFSVolumeSource
from wherry.api.core_v1.volume_plugins import CinderVolumeSource as CinderVolumeSource
from wherry.api.core_v1.volume_plugins import CSIVolumeSource as CSIVolumeSource
from wherry.api.core_v1.volume_plugins import FCVolumeSource as FCVolumeSource
from wherry.api.core_v1.volume_plugins import FlexVolumeSource as FlexVolumeSource
from wherry.api.core_v1.volume_plugins import FlockerVolumeSource as FlockerVolumeSource
from wherry.api.core_v1.volume_plugins import (
    GCEPersistentDiskVolumeSource as GCEPersistentDiskVolumeSource,
)
from wherry.api.core_v1.volume_plugins import GitRepoVolumeSource as GitRepoVolumeSource
from wherry.api.core_v1.volume_plugins import GlusterfsVolumeSource as GlusterfsVolumeSource
from wherry.api.core_v1.volume_plugins import ISCSIVolumeSource as ISCSIVolumeSource
from wherry.api.core_v1.volume_plugins import NFSVolumeSource as NFSVolumeSource
from wherry.api.core_v1.volume_plugins import (
    PhotonPersistentDiskVolumeSource as PhotonPersistentDiskVolumeSource,
)
from wherry.api.core_v1.volume_plugins import PortworxVolumeSource as PortworxVolumeSource
from wherry.api.core_v1.volume_plugins import QuobyteVolumeSource as QuobyteVolumeSource
from wherry.api.core_v1.volume_plugins import RBDVolumeSource as RBDVolumeSource
from wherry.api.core_v1.volume_plugins import ScaleIOVolumeSource as ScaleIOVolumeSource
from wherry.api.core_v1.volume_plugins import StorageOSVolumeSource as StorageOSVolumeSource
from wherry.api.core_v1.volume_plugins import (
    VsphereVirtualDiskVolumeSource as VsphereVirtualDiskVolumeSource,
)
