"""Small things several admission plug-ins ask of a write."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from wherry.api.errors import ApiError, forbidden
from wherry.api.scheme import BY_PLURAL

PODS = BY_PLURAL["", "v1", "pods"]
NAMESPACES = BY_PLURAL["", "v1", "namespaces"]
NODES = BY_PLURAL["", "v1", "nodes"]
SERVICE_ACCOUNTS = BY_PLURAL["", "v1", "serviceaccounts"]
PRIORITY_CLASSES = BY_PLURAL["scheduling.k8s.io", "v1", "priorityclasses"]


def is_main(attributes: Attributes, resource: object, *operations: str) -> bool:
    """Whether this is a write of that resource itself, not of a subresource."""
    return (
        attributes.resource is resource
        and not attributes.subresource
        and attributes.operation in operations
    )


def refuse(attributes: Attributes, why: str) -> ApiError:
    """Forbidden, naming the object as far as it has a name yet. Source: admission.NewForbidden."""
    name = attributes.name
    if not name:
        metadata = (attributes.tree or {}).get("metadata", {})
        name = metadata.get("name") or metadata.get("generateName") or "Unknown"
    return forbidden(attributes.resource.qualified_name, name, why)
