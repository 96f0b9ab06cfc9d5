"""What PersistentVolumes may say, also inside VolumeAttachments.

The old cloud volume types are only held to their required fields, as in pods.

Source: ValidatePersistentVolume(Spec, Update) of pkg/apis/core/validation.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.affinity import node_selector
from apiserver.registry.validation.resources import basic_resource
from apiserver.registry.validation.volumes import PERSISTENT_SOURCES
from apiserver.registry.validation.words import immutable, invalids
from wherry.api import names, quantity
from wherry.api.errors import (
    FieldError,
    forbidden_field,
    go_quote,
    invalid,
    not_supported,
    required,
    too_long,
)  # fmt: skip
from wherry.api.patch import copy_tree

Tree = Mapping[str, Any]

ACCESS_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
ALONE: Final = "ReadWriteOncePod"
RECLAIM_POLICIES: Final = ("Delete", "Recycle", "Retain")
VOLUME_MODES: Final = ("Block", "Filesystem")
DRIVER_NAME_MAX: Final = 63
_INLINE: Final = "in the context of inline volumes"
_NOT_INLINE: Final = f"may not be specified {_INLINE}"
_CSI_SECRETS: Final = (
    "controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef",
    "nodeExpandSecretRef", "nodeStageSecretRef",
)  # fmt: skip
# What a PersistentVolume says besides where its data is.
_NOT_SOURCES: Final = frozenset(
    (
        "capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName",
        "mountOptions", "volumeMode", "nodeAffinity", "volumeAttributesClassName",
    )
)  # fmt: skip


def validate_persistent_volume_spec(
    spec: Tree, path: str, *, inline: bool = False
) -> list[FieldError]:
    """A whole spec; `inline` when it stands in a VolumeAttachment."""
    errors = _inline_only(spec, path) if inline else []
    if not spec.get("accessModes"):
        errors.append(required(f"{path}.accessModes"))
    errors += access_modes(spec.get("accessModes", ()), f"{path}.accessModes")
    if not inline:
        errors += _capacity(spec.get("capacity", {}), f"{path}.capacity")
    errors += _reclaim_policy(spec, path, inline=inline)
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        at = f"{path}.nodeAffinity"
        if inline:
            errors.append(forbidden_field(at, _NOT_INLINE))
        else:
            errors += _node_affinity(affinity, at)
    errors += _sources(spec, path)
    return errors + _classes(spec, path, inline=inline)


def sources_of(spec: Tree) -> dict[str, Any]:
    """The part that says where the data is."""
    return {field: value for field, value in spec.items() if field not in _NOT_SOURCES}


def validate_persistent_volume_update(tree: Tree, old: Tree) -> list[FieldError]:
    """Where the data is never changes."""
    new, before = tree["spec"], old["spec"]
    errors = validate_persistent_volume_spec(new, "spec")
    sources: dict[str, Any] = copy_tree(sources_of(new))
    was = sources_of(before)
    expand = "controllerExpandSecretRef"
    if "csi" in sources and "csi" in was and was["csi"].get(expand) is None:
        sources["csi"].pop(expand, None)  # it may be given once
    if sources != was:
        detail = (
            f"spec.persistentvolumesource is immutable after creation\n{_changes(was, sources)}"
        )
        errors.append(forbidden_field("spec.persistentvolumesource", detail))
    errors += immutable(new.get("volumeMode"), before.get("volumeMode"), "volumeMode")
    if before.get("nodeAffinity") is not None:
        errors += immutable(new.get("nodeAffinity"), before["nodeAffinity"], "nodeAffinity")
    return errors + kept_attributes_class(new, before)


def kept_attributes_class(new: Tree, before: Tree) -> list[FieldError]:
    """A class of attributes may change, but not go."""
    field = "volumeAttributesClassName"
    if before.get(field) is not None and new.get(field) is None:
        return [forbidden_field(f"spec.{field}", "update from non-nil value to nil is forbidden")]
    return []


def access_modes(modes: Sequence[str], path: str) -> list[FieldError]:
    errors = [not_supported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if ALONE in modes and any(mode in ACCESS_MODES and mode != ALONE for mode in modes):
        errors.append(forbidden_field(path, f"may not use {ALONE} with other access modes"))
    return errors


def class_name(name: str, path: str) -> list[FieldError]:
    return invalids(path, name, names.dns1123_subdomain(name))


def positive(amount: str, path: str) -> list[FieldError]:
    found = quantity.parse(amount)
    return [] if found > 0 else [invalid(path, amount, "must be greater than zero")]


def csi_driver_name(name: str, path: str) -> list[FieldError]:
    """The name a CSI driver goes by."""
    if not name:
        return [required(path)]
    errors = [too_long(path, DRIVER_NAME_MAX)] if len(name) > DRIVER_NAME_MAX else []
    return errors + invalids(path, name, names.dns1123_subdomain(name.lower()))


def _inline_only(spec: Tree, path: str) -> list[FieldError]:
    errors = [
        forbidden_field(f"{path}.{field}", _NOT_INLINE)
        for field in ("claimRef", "capacity")
        if spec.get(field)
    ]
    if "csi" not in spec:
        errors.append(required(f"{path}.csi", f"has to be specified {_INLINE}"))
    return errors


def _capacity(capacity: Mapping[str, str], path: str) -> list[FieldError]:
    errors = [] if capacity else [required(path)]
    if "storage" not in capacity or len(capacity) > 1:
        errors.append(not_supported(path, dict(capacity) or None, ("storage",)))
    for name, amount in capacity.items():
        at = f"{path}[{name}]"
        errors += basic_resource(amount, at) + positive(amount, at)
    return errors


def _reclaim_policy(spec: Tree, path: str, *, inline: bool) -> list[FieldError]:
    policy, at = (
        spec.get("persistentVolumeReclaimPolicy", ""),
        f"{path}.persistentVolumeReclaimPolicy",
    )
    if not policy:
        return []
    if inline:
        detail = f"may only be Retain {_INLINE}"
        return [] if policy == "Retain" else [forbidden_field(at, detail)]
    if policy not in RECLAIM_POLICIES:
        return [not_supported(at, policy, RECLAIM_POLICIES)]
    host = spec.get("hostPath")
    if policy == "Recycle" and host and posixpath.normpath(host["path"]) in ("/", "//"):
        return [forbidden_field(at, "may not be 'recycle' for a hostPath mount of '/'")]
    return []


def _node_affinity(affinity: Tree, path: str) -> list[FieldError]:
    selector = affinity.get("required")
    if selector is None:
        return [required(f"{path}.required", "must specify required node constraints")]
    return node_selector(selector, f"{path}.required")


def _sources(spec: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    found = sources_of(spec)
    ordered = [kind for kind in _CHECKS if kind in found]
    for index, kind in enumerate(ordered):
        at = f"{path}.{kind}"
        if index and kind != "flexVolume":
            errors.append(forbidden_field(at, "may not specify more than 1 volume type"))
            continue
        errors += _CHECKS[kind](found[kind], at)
        if kind == "local" and spec.get("nodeAffinity", {}).get("required") is None:
            detail = "Local volume requires node affinity"
            errors.append(required(f"{path}.nodeAffinity", detail))
    return errors if found else [required(path, "must specify a volume type")]


def _classes(spec: Tree, path: str, *, inline: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    if name := spec.get("storageClassName", ""):
        at = f"{path}.storageClassName"
        errors += [forbidden_field(at, _NOT_INLINE)] if inline else class_name(name, at)
    mode = spec.get("volumeMode")
    if mode is not None:
        at = f"{path}.volumeMode"
        if inline and mode != "Filesystem":
            detail = f"may not specify volumeMode other than Filesystem {_INLINE}"
            errors.append(forbidden_field(at, detail))
        elif mode not in VOLUME_MODES:
            errors.append(not_supported(at, mode, VOLUME_MODES))
    attributes = spec.get("volumeAttributesClassName")
    if attributes is not None:
        at = f"{path}.volumeAttributesClassName"
        if attributes:
            errors += class_name(attributes, at)
        else:
            errors.append(required(at, "an empty string is disallowed"))
        if "csi" not in spec:
            detail = "has to be specified when using volumeAttributesClassName"
            errors.append(required(f"{path}.csi", detail))
    return errors


def _local(source: Tree, path: str) -> list[FieldError]:
    target, at = source["path"], f"{path}.path"
    if not target:
        return [required(at)]
    if ".." in target.split("/"):
        return [invalid(at, target, "must not contain '..'")]
    return []


def _csi(source: Tree, path: str) -> list[FieldError]:
    errors = csi_driver_name(source["driver"], f"{path}.driver")
    if not source["volumeHandle"]:
        errors.append(required(f"{path}.volumeHandle"))
    for field in _CSI_SECRETS:
        if (reference := source.get(field)) is not None:
            errors += _secret(reference, f"{path}.{field}")
    return errors


def _secret(reference: Tree, path: str) -> list[FieldError]:
    checks = (("name", names.dns1123_subdomain), ("namespace", names.dns1123_label))
    errors: list[FieldError] = []
    for field, check in checks:
        value, at = reference.get(field, ""), f"{path}.{field}"
        errors += invalids(at, value, check(value)) if value else [required(at)]
    return errors


def _changes(was: Tree, now: Tree) -> str:
    """What differs, a line for each source."""
    lines: Iterable[str] = (
        f"{sign} {field}: {go_quote(value)}"
        for sign, side, other in (("-", was, now), ("+", now, was))
        for field, value in side.items()
        if other.get(field) != value
    )
    return "\n".join(lines)


Check = Callable[[Tree, str], list[FieldError]]
# In the order in which upstream looks at them.
_CHECKS: Final[Mapping[str, Check]] = {**PERSISTENT_SOURCES, "local": _local, "csi": _csi}
