"""What Go calls the types of fields, where it is not what JSON calls them.

Only the words of decoding errors need this: a wrong `spec.dnsPolicy` is told it is no `v1.DNSPolicy`,
and a field of an embedded struct is named with that struct in its path. Structs and basic types are
named by their shape.

Source: the Go types of k8s.io/api 1.36; a test holds the table against the recorded facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from wherry.api.shape import FieldShape, Shape

# Where it is not the group's first word.
_PACKAGES: Final = {"events.k8s.io": "core"}
# Go type → the fields of that type; for lists and maps the elements' type.
_FIELDS_OF: Final = {
    "types.UID": "ObjectMeta.uid OwnerReference.uid ObjectReference.uid ConfigMapNodeConfigSource.uid "
    "UncountedTerminatedPods.succeeded UncountedTerminatedPods.failed "
    "DeviceRequestAllocationResult.shareID ResourceClaimConsumerReference.uid",
    "v1.ManagedFieldsOperationType": "ManagedFieldsEntry.operation",
    "v1.Protocol": "EndpointPort.protocol ContainerPort.protocol ServicePort.protocol PortStatus.protocol "
    "IngressPortStatus.protocol NetworkPolicyPort.protocol",
    "v1.FinalizerName": "NamespaceSpec.finalizers",
    "v1.NamespacePhase": "NamespaceStatus.phase",
    "v1.NamespaceConditionType": "NamespaceCondition.type",
    "v1.ComponentConditionType": "ComponentCondition.type",
    "v1.ConditionStatus": "ComponentCondition.status NamespaceCondition.status NodeCondition.status PodCondition.status Condition.status "
    "DeploymentCondition.status ReplicaSetCondition.status "
    "PersistentVolumeClaimCondition.status ReplicationControllerCondition.status "
    "DaemonSetCondition.status StatefulSetCondition.status "
    "HorizontalPodAutoscalerCondition.status PodFailurePolicyOnPodConditionsPattern.status "
    "JobCondition.status CertificateSigningRequestCondition.status "
    "FlowSchemaCondition.status PriorityLevelConfigurationCondition.status",
    "v1.TaintEffect": "Taint.effect Toleration.effect",
    "v1.ResourceList": "NodeStatus.capacity NodeStatus.allocatable PodSpec.overhead "
    "VolumeResourceRequirements.limits VolumeResourceRequirements.requests "
    "ResourceRequirements.limits ResourceRequirements.requests PodStatus.allocatedResources "
    "ContainerStatus.allocatedResources "
    "LimitRangeItem.default LimitRangeItem.defaultRequest LimitRangeItem.max "
    "LimitRangeItem.maxLimitRequestRatio LimitRangeItem.min PersistentVolumeClaimStatus.allocatedResources "
    "PersistentVolumeClaimStatus.capacity PersistentVolumeSpec.capacity ResourceQuotaSpec.hard "
    "ResourceQuotaStatus.hard ResourceQuotaStatus.used Overhead.podFixed",
    "v1.NodePhase": "NodeStatus.phase",
    "v1.UniqueVolumeName": "NodeStatus.volumesInUse AttachedVolume.name",
    "v1.NodeConditionType": "NodeCondition.type",
    "v1.NodeAddressType": "NodeAddress.type",
    "v1.RestartPolicy": "PodSpec.restartPolicy",
    "v1.DNSPolicy": "PodSpec.dnsPolicy",
    "v1.PreemptionPolicy": "PodSpec.preemptionPolicy PriorityClass.preemptionPolicy",
    "v1.AzureDataDiskCachingMode": "AzureDiskVolumeSource.cachingMode",
    "v1.AzureDataDiskKind": "AzureDiskVolumeSource.kind",
    "v1.StorageMedium": "EmptyDirVolumeSource.medium",
    "v1.PersistentVolumeAccessMode": "PersistentVolumeClaimSpec.accessModes PersistentVolumeSpec.accessModes "
    "PersistentVolumeClaimStatus.accessModes",
    "v1.PersistentVolumeMode": "PersistentVolumeClaimSpec.volumeMode PersistentVolumeSpec.volumeMode",
    "v1.LabelSelectorOperator": "LabelSelectorRequirement.operator",
    "v1.HostPathType": "HostPathVolumeSource.type",
    "v1.PullPolicy": "ImageVolumeSource.pullPolicy Container.imagePullPolicy "
    "EphemeralContainer.imagePullPolicy",
    "v1.TerminationMessagePolicy": "Container.terminationMessagePolicy EphemeralContainer.terminationMessagePolicy",
    "v1.ContainerRestartPolicy": "Container.restartPolicy EphemeralContainer.restartPolicy",
    "v1.MountPropagationMode": "VolumeMount.mountPropagation",
    "v1.RecursiveReadOnlyMode": "VolumeMount.recursiveReadOnly VolumeMountStatus.recursiveReadOnly",
    "v1.URIScheme": "HTTPGetAction.scheme",
    "v1.Signal": "Lifecycle.stopSignal ContainerStatus.stopSignal",
    "v1.ProcMountType": "SecurityContext.procMount",
    "v1.Capability": "Capabilities.add Capabilities.drop",
    "v1.SeccompProfileType": "SeccompProfile.type",
    "v1.AppArmorProfileType": "AppArmorProfile.type",
    "v1.ResourceName": "ContainerResizePolicy.resourceName ResourceStatus.name ResourceMetricSource.name "
    "ContainerResourceMetricSource.name ResourceMetricStatus.name "
    "ContainerResourceMetricStatus.name",
    "v1.ResourceResizeRestartPolicy": "ContainerResizePolicy.restartPolicy",
    "v1.ContainerRestartRuleAction": "ContainerRestartRule.action",
    "v1.ContainerRestartRuleOnExitCodesOperator": "ContainerRestartRuleOnExitCodes.operator",
    "v1.PodFSGroupChangePolicy": "PodSecurityContext.fsGroupChangePolicy",
    "v1.SupplementalGroupsPolicy": "PodSecurityContext.supplementalGroupsPolicy",
    "v1.PodSELinuxChangePolicy": "PodSecurityContext.seLinuxChangePolicy",
    "v1.NodeSelectorOperator": "NodeSelectorRequirement.operator",
    "v1.TolerationOperator": "Toleration.operator",
    "v1.PodConditionType": "PodReadinessGate.conditionType PodCondition.type "
    "PodFailurePolicyOnPodConditionsPattern.type",
    "v1.UnsatisfiableConstraintAction": "TopologySpreadConstraint.whenUnsatisfiable",
    "v1.NodeInclusionPolicy": "TopologySpreadConstraint.nodeAffinityPolicy TopologySpreadConstraint.nodeTaintsPolicy",
    "v1.OSName": "PodOS.name",
    "v1.PodPhase": "PodStatus.phase",
    "v1.PodQOSClass": "PodStatus.qosClass",
    "v1.PodResizeStatus": "PodStatus.resize",
    "v1.ResourceID": "ResourceHealth.resourceID",
    "v1.ResourceHealthStatus": "ResourceHealth.health",
    "v1.SecretType": "Secret.type",
    "v1.ServiceType": "ServiceSpec.type",
    "v1.ServiceAffinity": "ServiceSpec.sessionAffinity",
    "v1.ServiceExternalTrafficPolicy": "ServiceSpec.externalTrafficPolicy",
    "v1.IPFamilyPolicy": "ServiceSpec.ipFamilyPolicy",
    "v1.IPFamily": "ServiceSpec.ipFamilies",
    "v1.ServiceInternalTrafficPolicy": "ServiceSpec.internalTrafficPolicy",
    "v1.LoadBalancerIPMode": "LoadBalancerIngress.ipMode",
    "v1.DeploymentStrategyType": "DeploymentStrategy.type",
    "v1.DeploymentConditionType": "DeploymentCondition.type",
    "v1.ReplicaSetConditionType": "ReplicaSetCondition.type",
    "v1.ExtraValue": "UserInfo.extra SubjectAccessReviewSpec.extra CertificateSigningRequestSpec.extra",
    "v1.FieldSelectorOperator": "FieldSelectorRequirement.operator",
    "v1.CoordinatedLeaseStrategy": "LeaseSpec.strategy",
    "v1.AddressType": "EndpointSlice.addressType",
    "v1.LimitType": "LimitRangeItem.type",
    "v1.PersistentVolumeReclaimPolicy": "PersistentVolumeSpec.persistentVolumeReclaimPolicy StorageClass.reclaimPolicy",
    "v1.PersistentVolumePhase": "PersistentVolumeStatus.phase",
    "v1.PersistentVolumeClaimPhase": "PersistentVolumeClaimStatus.phase",
    "v1.ClaimResourceStatus": "PersistentVolumeClaimStatus.allocatedResourceStatuses",
    "v1.PersistentVolumeClaimConditionType": "PersistentVolumeClaimCondition.type",
    "v1.PersistentVolumeClaimModifyVolumeStatus": "ModifyVolumeStatus.status",
    "v1.ReplicationControllerConditionType": "ReplicationControllerCondition.type",
    "v1.ResourceQuotaScope": "ResourceQuotaSpec.scopes ScopedResourceSelectorRequirement.scopeName",
    "v1.ScopeSelectorOperator": "ScopedResourceSelectorRequirement.operator",
    "v1.DaemonSetUpdateStrategyType": "DaemonSetUpdateStrategy.type",
    "v1.DaemonSetConditionType": "DaemonSetCondition.type",
    "v1.PodManagementPolicyType": "StatefulSetSpec.podManagementPolicy",
    "v1.StatefulSetUpdateStrategyType": "StatefulSetUpdateStrategy.type",
    "v1.PersistentVolumeClaimRetentionPolicyType": "StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted "
    "StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled",
    "v1.StatefulSetConditionType": "StatefulSetCondition.type",
    "v2.MetricSourceType": "MetricSpec.type MetricStatus.type",
    "v2.MetricTargetType": "MetricTarget.type",
    "v2.ScalingPolicySelect": "HPAScalingRules.selectPolicy",
    "v2.HPAScalingPolicyType": "HPAScalingPolicy.type",
    "v2.HorizontalPodAutoscalerConditionType": "HorizontalPodAutoscalerCondition.type",
    "v1.ConcurrencyPolicy": "CronJobSpec.concurrencyPolicy",
    "v1.CompletionMode": "JobSpec.completionMode",
    "v1.PodReplacementPolicy": "JobSpec.podReplacementPolicy",
    "v1.PodFailurePolicyAction": "PodFailurePolicyRule.action",
    "v1.PodFailurePolicyOnExitCodesOperator": "PodFailurePolicyOnExitCodesRequirement.operator",
    "v1.JobConditionType": "JobCondition.type",
    "v1.KeyUsage": "CertificateSigningRequestSpec.usages",
    "v1.RequestConditionType": "CertificateSigningRequestCondition.type",
    "v1.PathType": "HTTPIngressPath.pathType",
    "v1.PolicyType": "NetworkPolicySpec.policyTypes",
    "v1.UnhealthyPodEvictionPolicyType": "PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy",
    "v1.VolumeLifecycleMode": "CSIDriverSpec.volumeLifecycleModes",
    "v1.FSGroupPolicy": "CSIDriverSpec.fsGroupPolicy",
    "v1.VolumeBindingMode": "StorageClass.volumeBindingMode",
    "v1.MatchPolicyType": "MatchResources.matchPolicy MutatingWebhook.matchPolicy ValidatingWebhook.matchPolicy",
    "v1.FailurePolicyType": "MutatingAdmissionPolicySpec.failurePolicy ValidatingAdmissionPolicySpec.failurePolicy "
    "MutatingWebhook.failurePolicy ValidatingWebhook.failurePolicy",
    "v1.ReinvocationPolicyType": "MutatingAdmissionPolicySpec.reinvocationPolicy MutatingWebhook.reinvocationPolicy",
    "v1.SideEffectClass": "MutatingWebhook.sideEffects ValidatingWebhook.sideEffects",
    "v1.PatchType": "Mutation.patchType",
    "v1.ScopeType": "RuleWithOperations.scope NamedRuleWithOperations.scope",
    "v1.OperationType": "RuleWithOperations.operations NamedRuleWithOperations.operations",
    "v1.ParameterNotFoundActionType": "ParamRef.parameterNotFoundAction",
    "v1.StatusReason": "Validation.reason",
    "v1.ValidationAction": "ValidatingAdmissionPolicyBindingSpec.validationActions",
    "v1.FlowDistinguisherMethodType": "FlowDistinguisherMethod.type",
    "v1.FlowSchemaConditionType": "FlowSchemaCondition.type",
    "v1.LimitResponseType": "LimitResponse.type",
    "v1.PriorityLevelConfigurationConditionType": "PriorityLevelConfigurationCondition.type",
    "v1.PriorityLevelEnablement": "PriorityLevelConfigurationSpec.type",
    "v1.SubjectKind": "Subject.kind",
    "v1.AllocationConfigSource": "DeviceAllocationConfiguration.source",
    "v1.FullyQualifiedName": "DeviceConstraint.matchAttribute DeviceConstraint.distinctAttribute",
    "v1.DeviceAllocationMode": "DeviceSubRequest.allocationMode ExactDeviceRequest.allocationMode",
    "v1.DeviceTaintEffect": "DeviceTaint.effect DeviceToleration.effect",
    "v1.DeviceTolerationOperator": "DeviceToleration.operator",
    "v1.QualifiedName": "NodeAllocatableResourceMapping.capacityKey",
}
_NAMED: Final[Mapping[str, str]] = MappingProxyType(
    {field: go for go, fields in _FIELDS_OF.items() for field in fields.split()}
)
# Maps whose whole type has a name; all other names are of elements.
_NAMED_MAPS: Final = frozenset({"v1.ResourceList"})

_BASIC: Final = {
    "string": "string",
    "boolean": "bool",
    "int32": "int32",
    "int64": "int64",
    "number": "float64",
    "quantity": "resource.Quantity",
    "int-or-string": "int32",
    "time": "string",
    "micro-time": "string",
    "byte": "[]uint8",
    "object": "interface {}",
}

# struct → (the struct embedded in it, the embedded struct's fields; None: all but the named ones)
_REFERENCE: Final = ("LocalObjectReference", frozenset({"name"}))
_EMBEDDED: Final[Mapping[str, tuple[str, frozenset[str]]]] = MappingProxyType(
    {
        "ConfigMapEnvSource": _REFERENCE,
        "ConfigMapKeySelector": _REFERENCE,
        "ConfigMapProjection": _REFERENCE,
        "ConfigMapVolumeSource": _REFERENCE,
        "SecretEnvSource": _REFERENCE,
        "SecretKeySelector": _REFERENCE,
        "SecretProjection": _REFERENCE,
        "IngressRule": ("IngressRuleValue", frozenset({"http"})),
        "DeviceAllocationConfiguration": ("DeviceConfiguration", frozenset({"opaque"})),
        "DeviceClaimConfiguration": ("DeviceConfiguration", frozenset({"opaque"})),
        "DeviceClassConfiguration": ("DeviceConfiguration", frozenset({"opaque"})),
        "RuleWithOperations": (
            "Rule",
            frozenset({"apiGroups", "apiVersions", "resources", "scope"}),
        ),
        "Probe": ("ProbeHandler", frozenset({"exec", "httpGet", "tcpSocket", "grpc"})),
    }
)
# What a PersistentVolume says besides where its data is.
_NOT_SOURCES: Final = frozenset(
    (
        "capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName",
        "mountOptions", "volumeMode", "nodeAffinity", "volumeAttributesClassName",
    )
)  # fmt: skip


def path_element(shape: Shape, wire: str) -> str:
    """How Go's error path names a field: with its embedded struct, if it is in one."""
    if shape.name == "Volume" and wire != "name":
        return f"VolumeSource.{wire}"
    if shape.name == "PersistentVolumeSpec" and wire not in _NOT_SOURCES:
        return f"PersistentVolumeSource.{wire}"
    if shape.name == "EphemeralContainer" and wire != "targetContainerName":
        return f"EphemeralContainerCommon.{wire}"
    if shape.name == "NamedRuleWithOperations" and wire != "resourceNames":
        rule = "" if wire == "operations" else "Rule."
        return f"RuleWithOperations.{rule}{wire}"
    embedded, fields = _EMBEDDED.get(shape.name, ("", frozenset()))
    return f"{embedded}.{wire}" if wire in fields else wire


def _struct(shape: Shape) -> str:
    """`v1.PodSpec`: a struct's package is its version."""
    package = shape.model.__module__.split(".")[2]  # wherry.api.<group>_<version>.<module>
    return f"{package.rpartition('_')[2]}.{shape.name}"


def _named(owner: Shape, wire: str) -> str:
    """The named type of a field; "" when it has a basic one."""
    if owner.name == "Subject" and "rbac" in owner.model.__module__:
        return ""  # flowcontrol's namesake has one
    return _NAMED.get(f"{owner.name}.{wire}", "")


def element_type(owner: Shape, named: FieldShape, element: FieldShape) -> str:
    """The Go type of a list's or map's element; `named` is the field that holds it."""
    if element.child is not None and element.kind == "struct":
        return _struct(element.child)
    return _named(owner, named.wire) or _BASIC.get(element.scalar, "string")


def field_type(owner: Shape, field: FieldShape) -> str:
    """The Go type of a field."""
    if field.kind == "struct":
        assert field.child is not None
        return _struct(field.child)
    known = _named(owner, field.wire)
    if field.kind == "scalar":
        return known or _BASIC[field.scalar]
    if known in _NAMED_MAPS:
        return known
    assert field.element is not None
    prefix = "[]" if field.kind == "list" else "map[string]"
    return prefix + element_type(owner, field, field.element)


def go_package(group: str) -> str:
    """The Go package of a group's internal types."""
    return _PACKAGES.get(group) or group.partition(".")[0] or "core"
