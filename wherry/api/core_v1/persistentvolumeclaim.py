"""PersistentVolumeClaims."""

from __future__ import annotations

from wherry.api.core_v1.volume import PersistentVolumeClaimSpec
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, Quantity, Time, TypedModel, wire


class PersistentVolumeClaimCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_probe_time: Time | None = wire(None, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class ModifyVolumeStatus(Model):
    target_volume_attributes_class_name: str = ""
    status: str = wire("", required=True, zero="kept", enum=("InProgress", "Infeasible", "Pending"))


class PersistentVolumeClaimStatus(Model):
    phase: str = wire("", enum=("Bound", "Lost", "Pending"))
    access_modes: list[str] = wire([], list_type="atomic")
    capacity: dict[str, Quantity] = {}
    conditions: list[PersistentVolumeClaimCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )
    allocated_resources: dict[str, Quantity] = {}
    allocated_resource_statuses: dict[str, str] = wire({}, map_type="granular", number="7")
    current_volume_attributes_class_name: str | None = None
    modify_volume_status: ModifyVolumeStatus | None = None


class PersistentVolumeClaim(TypedModel):
    GVK = GroupVersionKind("", "v1", "PersistentVolumeClaim")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: PersistentVolumeClaimSpec = wire(struct=PersistentVolumeClaimSpec)
    status: PersistentVolumeClaimStatus = wire(struct=PersistentVolumeClaimStatus)
