"""Small things several admission plug-ins ask of a write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.admission.interface import Attributes
from wherry.api.errors import ApiError, forbidden
from wherry.api.scheme import BY_PLURAL

PODS = BY_PLURAL["", "v1", "pods"]
NAMESPACES = BY_PLURAL["", "v1", "namespaces"]
NODES = BY_PLURAL["", "v1", "nodes"]
SERVICE_ACCOUNTS = BY_PLURAL["", "v1", "serviceaccounts"]
PRIORITY_CLASSES = BY_PLURAL["scheduling.k8s.io", "v1", "priorityclasses"]
SERVICES = BY_PLURAL["", "v1", "services"]
QUOTAS = BY_PLURAL["", "v1", "resourcequotas"]
LIMIT_RANGES = BY_PLURAL["", "v1", "limitranges"]
VOLUMES = BY_PLURAL["", "v1", "persistentvolumes"]
CLAIMS = BY_PLURAL["", "v1", "persistentvolumeclaims"]
STORAGE_CLASSES = BY_PLURAL["storage.k8s.io", "v1", "storageclasses"]
ATTRIBUTES_CLASSES = BY_PLURAL["storage.k8s.io", "v1", "volumeattributesclasses"]
RUNTIME_CLASSES = BY_PLURAL["node.k8s.io", "v1", "runtimeclasses"]
INGRESSES = BY_PLURAL["networking.k8s.io", "v1", "ingresses"]
INGRESS_CLASSES = BY_PLURAL["networking.k8s.io", "v1", "ingressclasses"]
CERTIFICATE_REQUESTS = BY_PLURAL["certificates.k8s.io", "v1", "certificatesigningrequests"]


def is_main(attributes: Attributes, resource: object, *operations: str) -> bool:
    """Whether this is a write of that resource itself, not of a subresource."""
    return (
        attributes.resource is resource
        and not attributes.subresource
        and attributes.operation in operations
    )


def newest(found: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of several defaults the one made last; of one second the first by name."""
    by_name = sorted(found, key=lambda one: one["metadata"]["name"])
    return max(by_name, key=lambda one: one["metadata"]["creationTimestamp"], default=None)


def refuse(attributes: Attributes, why: str) -> ApiError:
    """Forbidden, naming the object as far as it has a name yet. Source: admission.NewForbidden."""
    name = attributes.name
    if not name:
        metadata = (attributes.tree or {}).get("metadata", {})
        name = metadata.get("name") or metadata.get("generateName") or "Unknown"
    return forbidden(attributes.resource.qualified_name, name, why)
