"""The names of resources that quotas and limit ranges know, and which scopes they go with.

Source: pkg/apis/core/helper/helpers.go, pkg/apis/core/validation.
"""

from __future__ import annotations

from typing import Final

from apiserver.registry.validation.words import invalids
from wherry.api import names
from wherry.api.errors import FieldError, invalid

HUGE_PAGES: Final = "hugepages-"
REQUESTS: Final = "requests."
POD_COUNT: Final = frozenset({"pods"})
POD_COMPUTE: Final = frozenset(
    {"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
)
CLAIMS: Final = frozenset({"persistentvolumeclaims", "requests.storage"})
COUNTED: Final = frozenset(
    {
        "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    }
)  # fmt: skip
STANDARD_QUOTA: Final = frozenset(
    {
        "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory",
        "requests.storage", "requests.ephemeral-storage", "limits.cpu", "limits.memory",
        "limits.ephemeral-storage",
    }
) | COUNTED  # fmt: skip
STANDARD: Final = STANDARD_QUOTA | {"storage"}
SCOPES: Final = frozenset(
    {
        "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass",
        "CrossNamespacePodAffinity", "VolumeAttributesClass",
    }
)  # fmt: skip


def is_standard_quota(name: str) -> bool:
    return name in STANDARD_QUOTA or name.startswith((HUGE_PAGES, REQUESTS + HUGE_PAGES))


def quota_resource(name: str, path: str) -> list[FieldError]:
    """A resource a quota may bound."""
    errors = invalids(path, name, names.qualified_name(name))
    if not errors and "/" not in name and not is_standard_quota(name):
        errors.append(invalid(path, name, "must be a standard resource for quota"))
    return errors


def standard_resource(name: str, path: str) -> list[FieldError]:
    """A resource of any kind of object."""
    errors = invalids(path, name, names.qualified_name(name))
    if not errors and "/" not in name and name not in STANDARD and not name.startswith(HUGE_PAGES):
        detail = "must be a standard resource type or fully qualified"
        errors.append(invalid(path, name, detail))
    return errors


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A resource that some node offers under a domain of its own."""
    return (
        not is_native(name)
        and not name.startswith(REQUESTS)
        and not names.qualified_name(f"{REQUESTS}{name}")
    )


def is_overcommittable(name: str) -> bool:
    """Whether its limit may be more than its request."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


def is_whole(name: str) -> bool:
    """Whether it comes in whole numbers only."""
    return name in COUNTED or is_extended(name)


def scope_fits(scope: str, name: str) -> bool:
    """Whether a quota of this scope can bound the (standard) resource."""
    if scope == "BestEffort":
        return name in POD_COUNT
    if scope == "VolumeAttributesClass":
        return name in CLAIMS
    if scope in SCOPES:
        return name in POD_COUNT or name in POD_COMPUTE
    return True
