"""The types of the resource group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "common": (
            "CELDeviceSelector",
            "CapacityRequirements",
            "DeviceClaim",
            "DeviceClaimConfiguration",
            "DeviceConstraint",
            "DeviceRequest",
            "DeviceSelector",
            "DeviceSubRequest",
            "DeviceToleration",
            "ExactDeviceRequest",
            "OpaqueDeviceConfiguration",
            "ResourceClaimSpec",
        ),
        "deviceclass": ("DeviceClass", "DeviceClassConfiguration", "DeviceClassSpec"),
        "resourceclaim": (
            "AllocatedDeviceStatus",
            "AllocationResult",
            "DeviceAllocationConfiguration",
            "DeviceAllocationResult",
            "DeviceRequestAllocationResult",
            "NetworkDeviceData",
            "ResourceClaim",
            "ResourceClaimConsumerReference",
            "ResourceClaimStatus",
        ),
        "resourceclaimtemplate": ("ResourceClaimTemplate", "ResourceClaimTemplateSpec"),
        "resourceslice": (
            "CapacityRequestPolicy",
            "CapacityRequestPolicyRange",
            "Counter",
            "CounterSet",
            "Device",
            "DeviceAttribute",
            "DeviceCapacity",
            "DeviceCounterConsumption",
            "DeviceTaint",
            "NodeAllocatableResourceMapping",
            "ResourcePool",
            "ResourceSlice",
            "ResourceSliceSpec",
        ),
    },
)
