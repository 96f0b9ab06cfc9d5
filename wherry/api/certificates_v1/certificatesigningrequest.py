"""CertificateSigningRequests."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import Base64, GroupVersionKind, Int32, Model, Time, TypedModel, wire


class CertificateSigningRequestSpec(Model):
    request: Base64 = wire(b"", required=True, zero="kept")
    username: str = ""
    uid: str = ""
    groups: list[str] = wire([], list_type="atomic")
    usages: list[str] = wire([], list_type="atomic")
    extra: dict[str, list[str]] = {}
    signer_name: str = wire("", required=True, zero="kept")
    expiration_seconds: Int32 | None = None


class CertificateSigningRequestCondition(Model):
    type: str = wire("", required=True, zero="kept")
    reason: str = ""
    message: str = ""
    last_update_time: Time | None = wire(None, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    status: str = wire("", required=True, zero="kept")


class CertificateSigningRequestStatus(Model):
    conditions: list[CertificateSigningRequestCondition] = wire([], list_type="map", keys=("type",))
    certificate: Base64 = b""


class CertificateSigningRequest(TypedModel):
    GVK = GroupVersionKind("certificates.k8s.io", "v1", "CertificateSigningRequest")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: CertificateSigningRequestSpec = wire(
        struct=CertificateSigningRequestSpec, required=True, zero="kept"
    )
    status: CertificateSigningRequestStatus = wire(struct=CertificateSigningRequestStatus)
