"""ResourceClaims."""

from __future__ import annotations

from wherry.api.core_v1.affinity import NodeSelector
from wherry.api.meta_v1.meta import Condition, ObjectMeta
from wherry.api.model import GroupVersionKind, Model, Quantity, RawObject, Time, TypedModel, wire
from wherry.api.resource_v1.common import (
    DeviceToleration,
    OpaqueDeviceConfiguration,
    ResourceClaimSpec,
)


class DeviceAllocationConfiguration(Model):
    source: str = wire("", required=True, zero="kept", enum=("FromClaim", "FromClass"))
    requests: list[str] = wire([], list_type="atomic")
    opaque: OpaqueDeviceConfiguration | None = wire(None, number="3.1")


class DeviceRequestAllocationResult(Model):
    request: str = wire("", required=True, zero="kept")
    driver: str = wire("", required=True, zero="kept")
    pool: str = wire("", required=True, zero="kept")
    device: str = wire("", required=True, zero="kept")
    admin_access: bool | None = None
    tolerations: list[DeviceToleration] = wire([], list_type="atomic")
    binding_conditions: list[str] = wire([], list_type="atomic")
    binding_failure_conditions: list[str] = wire([], list_type="atomic")
    share_id: str | None = None
    consumed_capacity: dict[str, Quantity] = {}


class DeviceAllocationResult(Model):
    results: list[DeviceRequestAllocationResult] = wire([], list_type="atomic")
    config: list[DeviceAllocationConfiguration] = wire([], list_type="atomic")


class AllocationResult(Model):
    devices: DeviceAllocationResult = wire(struct=DeviceAllocationResult)
    node_selector: NodeSelector | None = wire(None, number="3")
    allocation_timestamp: Time | None = wire(None, number="5")


class NetworkDeviceData(Model):
    interface_name: str = ""
    ips: list[str] = wire([], list_type="atomic")
    hardware_address: str = ""


class AllocatedDeviceStatus(Model):
    driver: str = wire("", required=True, zero="kept")
    pool: str = wire("", required=True, zero="kept")
    device: str = wire("", required=True, zero="kept")
    conditions: list[Condition] = wire([], zero="kept", list_type="map", keys=("type",))
    data: RawObject | None = None
    network_data: NetworkDeviceData | None = None
    share_id: str | None = None


class ResourceClaimConsumerReference(Model):
    api_group: str = ""
    resource: str = wire("", required=True, zero="kept", number="3")
    name: str = wire("", required=True, zero="kept")
    uid: str = wire("", required=True, zero="kept")


class ResourceClaimStatus(Model):
    allocation: AllocationResult | None = None
    reserved_for: list[ResourceClaimConsumerReference] = wire(
        [], list_type="map", keys=("uid",), merge_key="uid"
    )
    devices: list[AllocatedDeviceStatus] = wire(
        [], list_type="map", keys=("driver", "device", "pool", "shareID"), number="4"
    )


class ResourceClaim(TypedModel):
    GVK = GroupVersionKind("resource.k8s.io", "v1", "ResourceClaim")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ResourceClaimSpec = wire(struct=ResourceClaimSpec, required=True, zero="kept")
    status: ResourceClaimStatus = wire(struct=ResourceClaimStatus)
