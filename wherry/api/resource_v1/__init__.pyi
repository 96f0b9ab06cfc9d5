"""The types of the resource group, v1. A name is imported when it is first asked for."""

from wherry.api.resource_v1.common import CapacityRequirements as CapacityRequirements
from wherry.api.resource_v1.common import CELDeviceSelector as CELDeviceSelector
from wherry.api.resource_v1.common import DeviceClaim as DeviceClaim
from wherry.api.resource_v1.common import DeviceClaimConfiguration as DeviceClaimConfiguration
from wherry.api.resource_v1.common import DeviceConstraint as DeviceConstraint
from wherry.api.resource_v1.common import DeviceRequest as DeviceRequest
from wherry.api.resource_v1.common import DeviceSelector as DeviceSelector
from wherry.api.resource_v1.common import DeviceSubRequest as DeviceSubRequest
from wherry.api.resource_v1.common import DeviceToleration as DeviceToleration
from wherry.api.resource_v1.common import ExactDeviceRequest as ExactDeviceRequest
from wherry.api.resource_v1.common import OpaqueDeviceConfiguration as OpaqueDeviceConfiguration
from wherry.api.resource_v1.common import ResourceClaimSpec as ResourceClaimSpec
from wherry.api.resource_v1.deviceclass import DeviceClass as DeviceClass
from wherry.api.resource_v1.deviceclass import (
    DeviceClassConfiguration as DeviceClassConfiguration,
)
from wherry.api.resource_v1.deviceclass import DeviceClassSpec as DeviceClassSpec
from wherry.api.resource_v1.resourceclaim import AllocatedDeviceStatus as AllocatedDeviceStatus
from wherry.api.resource_v1.resourceclaim import AllocationResult as AllocationResult
from wherry.api.resource_v1.resourceclaim import (
    DeviceAllocationConfiguration as DeviceAllocationConfiguration,
)
from wherry.api.resource_v1.resourceclaim import (
    DeviceAllocationResult as DeviceAllocationResult,
)
from wherry.api.resource_v1.resourceclaim import (
    DeviceRequestAllocationResult as DeviceRequestAllocationResult,
)
from wherry.api.resource_v1.resourceclaim import NetworkDeviceData as NetworkDeviceData
from wherry.api.resource_v1.resourceclaim import ResourceClaim as ResourceClaim
from wherry.api.resource_v1.resourceclaim import (
    ResourceClaimConsumerReference as ResourceClaimConsumerReference,
)
from wherry.api.resource_v1.resourceclaim import ResourceClaimStatus as ResourceClaimStatus
from wherry.api.resource_v1.resourceclaimtemplate import (
    ResourceClaimTemplate as ResourceClaimTemplate,
)
from wherry.api.resource_v1.resourceclaimtemplate import (
    ResourceClaimTemplateSpec as ResourceClaimTemplateSpec,
)
from wherry.api.resource_v1.resourceslice import CapacityRequestPolicy as CapacityRequestPolicy
from wherry.api.resource_v1.resourceslice import (
    CapacityRequestPolicyRange as CapacityRequestPolicyRange,
)
from wherry.api.resource_v1.resourceslice import Counter as Counter
from wherry.api.resource_v1.resourceslice import CounterSet as CounterSet
from wherry.api.resource_v1.resourceslice import Device as Device
from wherry.api.resource_v1.resourceslice import DeviceAttribute as DeviceAttribute
from wherry.api.resource_v1.resourceslice import DeviceCapacity as DeviceCapacity
from wherry.api.resource_v1.resourceslice import (
    DeviceCounterConsumption as DeviceCounterConsumption,
)
from wherry.api.resource_v1.resourceslice import DeviceTaint as DeviceTaint
from wherry.api.resource_v1.resourceslice import (
    NodeAllocatableResourceMapping as NodeAllocatableResourceMapping,
)
from wherry.api.resource_v1.resourceslice import ResourcePool as ResourcePool
from wherry.api.resource_v1.resourceslice import ResourceSlice as ResourceSlice
from wherry.api.resource_v1.resourceslice import ResourceSliceSpec as ResourceSliceSpec
