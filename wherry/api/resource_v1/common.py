"""What several kinds of this group share."""

from __future__ import annotations

from wherry.api.model import Int64, Model, Quantity, RawObject, wire


class OpaqueDeviceConfiguration(Model):
    driver: str = wire("", required=True, zero="kept")
    parameters: RawObject | None = wire(None, required=True, zero="kept")


class CELDeviceSelector(Model):
    expression: str = wire("", required=True, zero="kept")


class DeviceSelector(Model):
    cel: CELDeviceSelector | None = None


class DeviceClaimConfiguration(Model):
    requests: list[str] = wire([], list_type="atomic")
    opaque: OpaqueDeviceConfiguration | None = wire(None, number="2.1")


class DeviceConstraint(Model):
    requests: list[str] = wire([], list_type="atomic")
    match_attribute: str | None = None
    distinct_attribute: str | None = None


class CapacityRequirements(Model):
    requests: dict[str, Quantity] = {}


class DeviceToleration(Model):
    key: str = ""
    operator: str = wire("", enum=("Equal", "Exists"))
    value: str = ""
    effect: str = wire("", enum=("NoExecute", "NoSchedule", "None"))
    toleration_seconds: Int64 | None = None


class ExactDeviceRequest(Model):
    device_class_name: str = wire("", required=True, zero="kept")
    selectors: list[DeviceSelector] = wire([], list_type="atomic")
    allocation_mode: str = wire("", enum=("All", "ExactCount"))
    count: Int64 = 0
    admin_access: bool | None = None
    tolerations: list[DeviceToleration] = wire([], list_type="atomic")
    capacity: CapacityRequirements | None = None


class DeviceSubRequest(Model):
    name: str = wire("", required=True, zero="kept")
    device_class_name: str = wire("", required=True, zero="kept")
    selectors: list[DeviceSelector] = wire([], list_type="atomic")
    allocation_mode: str = wire("", enum=("All", "ExactCount"))
    count: Int64 = 0
    tolerations: list[DeviceToleration] = wire([], list_type="atomic")
    capacity: CapacityRequirements | None = None


class DeviceRequest(Model):
    name: str = wire("", required=True, zero="kept")
    exactly: ExactDeviceRequest | None = None
    first_available: list[DeviceSubRequest] = wire([], list_type="atomic")


class DeviceClaim(Model):
    requests: list[DeviceRequest] = wire([], zero="kept", list_type="atomic")
    constraints: list[DeviceConstraint] = wire([], list_type="atomic")
    config: list[DeviceClaimConfiguration] = wire([], list_type="atomic")


class ResourceClaimSpec(Model):
    devices: DeviceClaim = wire(struct=DeviceClaim, zero="kept")
