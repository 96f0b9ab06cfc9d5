"""StorageClasses: kinds of storage that a provisioner makes.

Source: pkg/apis/storage/validation, pkg/apis/storage/v1/defaults.go, printStorageClass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import each, immutable, invalids, only_change
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
)  # fmt: skip
from wherry.api.scheme import resource_of
from wherry.api.storage_v1 import StorageClass

RECLAIM_POLICIES: Final = ("Delete", "Retain")
BINDING_MODES: Final = ("Immediate", "WaitForFirstConsumer")
PARAMETERS_MAX: Final = 512
PARAMETERS_SIZE_MAX: Final = 256 * 1024
DEFAULT_ANNOTATIONS: Final = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


class StorageClassStrategy(Strategy):
    """What volumes were made by never changes."""

    resource = resource_of(StorageClass)
    columns = (
        NAME,
        Column("Provisioner", description="Who makes volumes of this class."),
        Column("ReclaimPolicy", description="What happens to a volume when its claim goes."),
        Column("VolumeBindingMode", description="Whether volumes wait for a first pod."),
        Column("AllowVolumeExpansion", description="Whether claims may grow."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        tree.setdefault("reclaimPolicy", "Delete")
        tree.setdefault("volumeBindingMode", "Immediate")

    def validate(self, tree: Tree) -> list[FieldError]:
        errors = provisioner(tree["provisioner"], "provisioner")
        errors += parameters(tree.get("parameters", {}), "parameters")
        if (policy := tree["reclaimPolicy"]) and policy not in RECLAIM_POLICIES:
            errors.append(not_supported("reclaimPolicy", policy, RECLAIM_POLICIES))
        mode = tree["volumeBindingMode"]
        if mode not in BINDING_MODES:
            errors.append(not_supported("volumeBindingMode", mode, BINDING_MODES))
        return errors + _topologies(tree.get("allowedTopologies", ()), "allowedTopologies")

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        for field in ("parameters", "provisioner", "reclaimPolicy"):
            words = f"updates to {field} are forbidden."
            errors += only_change(tree.get(field), old.get(field), field, words)
        mode = "volumeBindingMode"
        return errors + immutable(tree.get(mode), old.get(mode), mode)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        name = tree["metadata"]["name"]
        return (
            f"{name} (default)" if is_default(tree) else name,
            tree["provisioner"],
            tree.get("reclaimPolicy", "Delete"),
            tree.get("volumeBindingMode", "Immediate"),
            bool(tree.get("allowVolumeExpansion")),
            created(tree, now),
        )


def is_default(tree: Mapping[str, Any]) -> bool:
    """Whether claims without a class are of this one."""
    annotations = tree["metadata"].get("annotations", {})
    return any(annotations.get(key) == "true" for key in DEFAULT_ANNOTATIONS)


def provisioner(name: str, path: str) -> list[FieldError]:
    """The name of who makes volumes."""
    if not name:
        return [required(path)]
    return invalids(path, name.lower(), names.qualified_name(name.lower()))


def parameters(found: Mapping[str, str], path: str, *, needed: bool = False) -> list[FieldError]:
    if len(found) > PARAMETERS_MAX:
        return [too_long(path, PARAMETERS_MAX)]
    errors = [invalid(path, "", "field can not be empty.")] if "" in found else []
    size = sum(len(key.encode()) + len(value.encode()) for key, value in found.items())
    if size > PARAMETERS_SIZE_MAX:
        errors.append(too_long(path, PARAMETERS_SIZE_MAX))
    if needed and not found:
        errors.append(required(path, "must contain at least one key/value pair"))
    return errors


def _topologies(terms: Sequence[Mapping[str, Any]], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: list[dict[str, set[str]]] = []
    for index, term in enumerate(terms):
        at = f"{path}[{index}].matchLabelExpressions"
        wanted: dict[str, set[str]] = {}
        for place, one in enumerate(term.get("matchLabelExpressions", ())):
            here = f"{at}[{place}]"
            errors += _requirement(one, here)
            if one["key"] in wanted:
                errors.append(duplicate(f"{here}.key", one["key"]))
            wanted[one["key"]] = set(one["values"] or ())
        if wanted in seen:
            errors.append(duplicate(at, ""))
        seen.append(wanted)
    return errors


def _requirement(one: Mapping[str, Any], path: str) -> list[FieldError]:
    values: Sequence[str] = one["values"] or ()
    errors = [] if values else [required(f"{path}.values")]
    twice = {value for index, value in enumerate(values) if value in values[:index]}
    errors += each(
        values,
        f"{path}.values",
        lambda value, at: [duplicate(at, value)] if value in twice else [],
    )
    return errors + invalids(f"{path}.key", one["key"], names.label_key(one["key"]))
