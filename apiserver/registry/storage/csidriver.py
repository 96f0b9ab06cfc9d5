"""CSIDrivers: what a storage driver wants of the cluster.

Source: pkg/apis/storage/validation, pkg/registry/storage/csidriver/strategy.go,
pkg/apis/storage/v1/defaults.go, printCSIDriver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.core.persistentvolume import UNSET
from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.volumes import TOKEN_SECONDS_MAX, TOKEN_SECONDS_MIN
from apiserver.registry.validation.words import immutable, unsupported
from wherry.api.errors import FieldError, duplicate, invalid, not_supported
from wherry.api.scheme import resource_of
from wherry.api.storage_v1 import CSIDriver

GROUP_POLICIES: Final = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLES: Final = ("Persistent", "Ephemeral")
UPDATE_SECONDS_MIN: Final = 10
_DEFAULTS: Final[Mapping[str, Any]] = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}
_COUNTED: Final = ("tokenRequests", "requiresRepublish", "seLinuxMount")


class CSIDriverStrategy(Strategy):
    """How volumes are attached and how long they live never changes."""

    resource = resource_of(CSIDriver)
    allow_unconditional_update = False
    columns = (
        NAME,
        Column("AttachRequired", "boolean", description="Whether volumes are attached first."),
        Column("PodInfoOnMount", "boolean", description="Whether it is told about the pod."),
        Column("StorageCapacity", "boolean", description="Whether it says how much is left."),
        Column("TokenRequests", description="The audiences it wants tokens for."),
        Column("RequiresRepublish", "boolean", description="Whether mounts are repeated."),
        Column("Modes", description="How long its volumes live."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        for field, value in _DEFAULTS.items():
            if spec.get(field) is None:
                spec[field] = value
        if not spec.get("volumeLifecycleModes"):
            spec["volumeLifecycleModes"] = ["Persistent"]

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        new, before = tree["spec"], old["spec"]
        if any(new.get(field) != before.get(field) for field in _COUNTED):
            tree["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        errors: list[FieldError] = []
        policy = spec["fsGroupPolicy"]
        if policy not in GROUP_POLICIES:
            errors.append(not_supported("spec.fsGroupPolicy", policy, GROUP_POLICIES))
        errors += _tokens(spec.get("tokenRequests", ()), "spec.tokenRequests")
        path = "spec.volumeLifecycleModes"
        for mode in spec["volumeLifecycleModes"]:
            if mode not in LIFECYCLES:
                errors.append(unsupported(path, mode, LIFECYCLES))
        period = spec.get("nodeAllocatableUpdatePeriodSeconds")
        if period is not None and period < UPDATE_SECONDS_MIN:
            words = f"must be greater than or equal to {UPDATE_SECONDS_MIN} seconds"
            errors.append(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, words))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        new, before = tree["spec"], old["spec"]
        errors = self.validate(tree)
        errors += immutable(
            new["attachRequired"], before["attachRequired"], "spec.attachedRequired"
        )
        modes = "volumeLifecycleModes"
        return errors + immutable(new[modes], before[modes], f"spec.{modes}")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec = tree["spec"]
        tokens = spec.get("tokenRequests")
        return (
            tree["metadata"]["name"],
            spec.get("attachRequired", True),
            spec.get("podInfoOnMount", False),
            spec.get("storageCapacity", False),
            ",".join(one["audience"] for one in tokens) if tokens else UNSET,
            spec.get("requiresRepublish", False),
            ",".join(spec.get("volumeLifecycleModes", ())) or NONE,
            created(tree, now),
        )


def _tokens(requests: Sequence[Mapping[str, Any]], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, one in enumerate(requests):
        at, audience = f"{path}[{index}]", one["audience"]
        if audience in seen:
            errors.append(duplicate(f"{at}.audience", audience))
            continue
        seen.add(audience)
        seconds = one.get("expirationSeconds")
        if seconds is not None and seconds < TOKEN_SECONDS_MIN:
            words = "may not specify a duration less than 10 minutes"
            errors.append(invalid(f"{at}.expirationSeconds", seconds, words))
        if seconds is not None and seconds > TOKEN_SECONDS_MAX:
            words = "may not specify a duration larger than 2^32 seconds"
            errors.append(invalid(f"{at}.expirationSeconds", seconds, words))
    return errors
