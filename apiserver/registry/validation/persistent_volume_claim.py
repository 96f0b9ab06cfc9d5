"""What PersistentVolumeClaims may say, also as templates in pods.

Source: ValidatePersistentVolumeClaim(Spec, Update, StatusUpdate) of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.persistent_volume import (
    VOLUME_MODES,
    access_modes,
    class_name,
    positive,
)
from apiserver.registry.validation.resources import basic_resource
from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import immutable, invalids
from wherry.api import names, quantity
from wherry.api.errors import (
    FieldError,
    forbidden_field,
    go_quote,
    invalid,
    not_supported,
    required,
)  # fmt: skip

Tree = Mapping[str, Any]

CLAIM: Final = "PersistentVolumeClaim"
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_RESIZE_STATUSES: Final = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizePending",
    "NodeResizeInProgress", "NodeResizeInfeasible",
)  # fmt: skip
_IMMUTABLE: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName "
    "for bound claims"
)


def validate_claim_spec(spec: Tree, path: str, old: Tree | None = None) -> list[FieldError]:
    """A whole spec; what an old one got wrong before may stay."""
    errors: list[FieldError] = []
    modes, at = spec.get("accessModes", ()), f"{path}.accessModes"
    if not modes:
        errors.append(required(at, "at least 1 access mode is required"))
    errors += label_selector(spec.get("selector"), f"{path}.selector")
    errors += access_modes(modes, at)
    size, at = spec["resources"].get("requests", {}).get("storage"), f"{path}.resources[storage]"
    errors += [required(at)] if size is None else positive(size, at)
    if name := spec.get("storageClassName"):
        errors += class_name(name, f"{path}.storageClassName")
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(not_supported(f"{path}.volumeMode", mode, VOLUME_MODES))
    errors += _data_sources(spec, path, any_group=_names_group(old or {}))
    if name := spec.get("volumeAttributesClassName"):
        errors += class_name(name, f"{path}.volumeAttributesClassName")
    return errors


def validate_claim_update(tree: Tree, old: Tree) -> list[FieldError]:
    """A claim is for life, except its size and class of attributes once it is bound."""
    new, before = tree["spec"], old["spec"]
    errors = validate_claim_spec(new, "spec", before)
    errors += _class_annotation(tree, old)
    if changed := _changes(tree, old):
        errors.append(forbidden_field("spec", f"{_IMMUTABLE}\n" + "\n".join(changed)))
    errors += _shrunk(new, before, old["status"])
    errors += immutable(new.get("volumeMode"), before.get("volumeMode"), "volumeMode")
    return errors + _attributes_class(new, before)


def validate_claim_status(tree: Tree) -> list[FieldError]:
    """What the volume controllers wrote."""
    status = tree["status"]
    errors: list[FieldError] = []
    if not tree["spec"].get("accessModes"):
        errors.append(required("Spec.accessModes"))
    for name, amount in status.get("capacity", {}).items():
        errors += basic_resource(amount, f"status.capacity[{name}]")
    for name, state in status.get("allocatedResourceStatuses", {}).items():
        at = "status.allocatedResourceStatus"
        errors += _resource_key(name, at)
        if state not in _RESIZE_STATUSES:
            errors.append(not_supported(at, name, _RESIZE_STATUSES))
    for name, amount in status.get("allocatedResources", {}).items():
        problems = _resource_key(name, "status.allocatedResources")
        errors += problems or basic_resource(amount, f"status.allocatedResources[{name}]")
    return errors


def _resource_key(name: str, path: str) -> list[FieldError]:
    """Of the resources without a domain of their own, storage only."""
    if problems := names.qualified_name(name):
        return invalids(path, name, problems)
    native = "/" not in name or "kubernetes.io/" in name
    return [not_supported(path, name, ("storage",))] if native and name != "storage" else []


def _names_group(spec: Tree) -> bool:
    fields = ("dataSource", "dataSourceRef")
    return any((spec.get(field) or {}).get("apiGroup") is not None for field in fields)


def _data_sources(spec: Tree, path: str, *, any_group: bool) -> list[FieldError]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    errors: list[FieldError] = []
    for field, found in (("dataSource", source), ("dataSourceRef", reference)):
        if found is not None:
            errors += _data_source(found, f"{path}.{field}", any_group=any_group)
    if source is None or reference is None:
        return errors
    shown = f"{path}.dataSource"
    if reference.get("namespace"):
        detail = "may not be specified when dataSourceRef.namespace is specified"
        errors.append(invalid(path, shown, detail))
    elif any(source.get(field) != reference.get(field) for field in ("apiGroup", "kind", "name")):
        errors.append(invalid(path, shown, "must match dataSourceRef"))
    return errors


def _data_source(source: Tree, path: str, *, any_group: bool) -> list[FieldError]:
    errors = [required(f"{path}.{field}") for field in ("name", "kind") if not source[field]]
    group = source.get("apiGroup") or ""
    if not group and source["kind"] != CLAIM:
        detail = f"must be '{CLAIM}' when referencing the default apiGroup"
        errors.append(invalid(path, source["kind"], detail))
    if group and not any_group:
        errors += invalids(f"{path}.apiGroup", group, names.dns1123_subdomain(group))
    if namespace := source.get("namespace"):
        errors += invalids(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    return errors


def _annotation(tree: Tree) -> str | None:
    found: str | None = tree["metadata"].get("annotations", {}).get(CLASS_ANNOTATION)
    return found


def _upgrades_annotation(tree: Tree, old: Tree) -> bool:
    """Whether a class named in the old annotation moves to the field."""
    was, now = _annotation(old), _annotation(tree)
    return (
        was is not None
        and old["spec"].get("storageClassName") is None
        and tree["spec"].get("storageClassName") == was
        and now in (None, was)
    )


def _names_class_at_last(tree: Tree, old: Tree) -> bool:
    """Whether a claim without a class gets one."""
    now = tree["spec"].get("storageClassName")
    unnamed = old["spec"].get("storageClassName") is None
    return unnamed and now is not None and _annotation(old) in (None, now)


def _class_annotation(tree: Tree, old: Tree) -> list[FieldError]:
    was, now = _annotation(old) or "", _annotation(tree) or ""
    if _upgrades_annotation(tree, old) or was == now:
        return []
    path = f"metadata.annotations[{CLASS_ANNOTATION}]"
    return [invalid(path, now, "field is immutable")]


def _changes(tree: Tree, old: Tree) -> list[str]:
    """The changes that a claim does not allow, a line for each side of a field."""
    new, before = dict(tree["spec"]), dict(old["spec"])
    if not before.get("volumeName"):
        before["volumeName"] = new.get("volumeName", "")
        new.setdefault("volumeName", "")
    if _upgrades_annotation(tree, old) or _names_class_at_last(tree, old):
        new["storageClassName"] = before.get("storageClassName")
    if tree["status"].get("phase") == "Bound":
        new["resources"] = _with_size(new["resources"], before["resources"])
    new["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
    return [
        f"{sign} {field}: {go_quote(side.get(field))}"
        for field in sorted(new.keys() | before.keys())
        if new.get(field) != before.get(field)
        for sign, side in (("-", before), ("+", new))
    ]


def _with_size(new: Tree, before: Tree) -> Tree:
    """The new resources with the old size."""
    if "requests" not in new:
        return new
    size = before.get("requests", {}).get("storage")
    return {**new, "requests": {**new["requests"], "storage": size}}


def _shrunk(new: Tree, before: Tree, status: Tree) -> list[FieldError]:
    size, was, has = (
        quantity.parse(amounts.get("storage", "0"))
        for amounts in (
            new["resources"].get("requests", {}),
            before["resources"].get("requests", {}),
            status.get("capacity", {}),
        )
    )
    if size >= was or size > has:
        return []
    path = "spec.resources.requests.storage"
    return [forbidden_field(path, "field can not be less than status.capacity")]


def _attributes_class(new: Tree, before: Tree) -> list[FieldError]:
    field = "volumeAttributesClassName"
    was, now = before.get(field), new.get(field)
    if was is not None and now is None:
        detail = "update from non-nil value to nil is forbidden"
    elif was is not None and now == "" and was != "":
        detail = "update from non-nil value to an empty string is forbidden"
    else:
        return []
    return [forbidden_field(f"spec.{field}", detail)]
