"""ResourceSlices."""

from __future__ import annotations

from wherry.api.core_v1.affinity import NodeSelector
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int64, Model, Quantity, Time, TypedModel, wire


class DeviceAttribute(Model):
    int_: Int64 | None = wire(None, number="2")
    bool_: bool | None = None
    string: str | None = None
    version: str | None = None
    ints: list[Int64] = wire([], list_type="atomic")
    bools: list[bool] = wire([], list_type="atomic")
    strings: list[str] = wire([], list_type="atomic")
    versions: list[str] = wire([], list_type="atomic")


class CapacityRequestPolicyRange(Model):
    min: Quantity | None = wire(None, required=True)
    max: Quantity | None = None
    step: Quantity | None = None


class CapacityRequestPolicy(Model):
    default: Quantity | None = wire(None, zero="kept")
    valid_values: list[Quantity] = wire([], list_type="atomic", number="3")
    valid_range: CapacityRequestPolicyRange | None = None


class DeviceCapacity(Model):
    value: Quantity = wire("", required=True, zero="kept")
    request_policy: CapacityRequestPolicy | None = None


class Counter(Model):
    value: Quantity = wire("", required=True, zero="kept")


class DeviceCounterConsumption(Model):
    counter_set: str = wire("", required=True, zero="kept")
    counters: dict[str, Counter] = wire({}, required=True)


class NodeAllocatableResourceMapping(Model):
    capacity_key: str | None = None
    allocation_multiplier: Quantity | None = None


class DeviceTaint(Model):
    key: str = wire("", required=True, zero="kept")
    value: str = ""
    effect: str = wire("", required=True, zero="kept", enum=("NoExecute", "NoSchedule", "None"))
    time_added: Time | None = None


class Device(Model):
    name: str = wire("", required=True, zero="kept")
    attributes: dict[str, DeviceAttribute] = {}
    capacity: dict[str, DeviceCapacity] = {}
    consumes_counters: list[DeviceCounterConsumption] = wire([], list_type="atomic")
    node_name: str | None = None
    node_selector: NodeSelector | None = None
    all_nodes: bool | None = None
    taints: list[DeviceTaint] = wire([], list_type="atomic")
    binds_to_node: bool | None = None
    binding_conditions: list[str] = wire([], list_type="atomic")
    binding_failure_conditions: list[str] = wire([], list_type="atomic")
    allow_multiple_allocations: bool | None = None
    node_allocatable_resource_mappings: dict[str, NodeAllocatableResourceMapping] = {}


class ResourcePool(Model):
    name: str = wire("", required=True, zero="kept")
    generation: Int64 = wire(0, required=True, zero="kept")
    resource_slice_count: Int64 = wire(0, required=True, zero="kept")


class CounterSet(Model):
    name: str = wire("", required=True, zero="kept")
    counters: dict[str, Counter] = wire({}, required=True)


class ResourceSliceSpec(Model):
    driver: str = wire("", required=True, zero="kept")
    pool: ResourcePool = wire(struct=ResourcePool, required=True, zero="kept")
    node_name: str | None = None
    node_selector: NodeSelector | None = None
    all_nodes: bool | None = None
    devices: list[Device] = wire([], list_type="atomic")
    per_device_node_selection: bool | None = None
    shared_counters: list[CounterSet] = wire([], list_type="atomic")


class ResourceSlice(TypedModel):
    GVK = GroupVersionKind("resource.k8s.io", "v1", "ResourceSlice")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ResourceSliceSpec = wire(struct=ResourceSliceSpec, required=True, zero="kept")
