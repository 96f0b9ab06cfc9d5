"""What every object's metadata must be.

Source: k8s.io/apimachinery/pkg/api/validation/objectmeta.go, ValidateObjectMeta of
pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from apiserver.codec.recall import passing
from apiserver.registry.validation.words import immutable, invalids, labels, non_negative
from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, go_quote, invalid, required, too_long
from wherry.api.scheme import Resource

ANNOTATIONS_SIZE_MAX: Final = 256 * 1024
_STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
# Kinds whose finalizers need no domain: they are validated by the generic rules alone.
_GENERIC_ONLY: Final = frozenset({"Event", "PodDisruptionBudget"})
_IMMUTABLE: Final = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds",
)  # fmt: skip


class NameErrors(Protocol):
    """Why a text is no name for a kind; `prefix` when it is a generateName."""

    def __call__(self, name: str, *, prefix: bool) -> list[str]: ...


def subdomain_name(name: str, *, prefix: bool) -> list[str]:
    return names.dns1123_subdomain(names.mask_trailing_dash(name) if prefix else name)


def label_name(name: str, *, prefix: bool) -> list[str]:
    return names.dns1123_label(names.mask_trailing_dash(name) if prefix else name)


def dns1035_name(name: str, *, prefix: bool) -> list[str]:
    return names.dns1035_label(names.mask_trailing_dash(name) if prefix else name)


def segment_name(name: str, *, prefix: bool) -> list[str]:
    return names.path_segment(name, prefix=prefix)


def validate_metadata(
    tree: Mapping[str, Any], resource: Resource, name_errors: NameErrors
) -> list[FieldError]:
    """What is wrong with a new object's metadata."""
    metadata = tree["metadata"]
    errors: list[FieldError] = []
    if generate_name := metadata.get("generateName"):
        problems = name_errors(generate_name, prefix=True)
        errors += invalids("metadata.generateName", generate_name, problems)
    name = metadata.get("name", "")
    if name:
        errors += invalids("metadata.name", name, name_errors(name, prefix=False))
    else:
        errors.append(required("metadata.name", "name or generateName is required"))
    errors += _namespace(metadata.get("namespace", ""), resource)
    errors += non_negative(metadata.get("generation"), "metadata.generation")
    return errors + _common(metadata, resource.kind)


def validate_metadata_update(
    tree: Mapping[str, Any], old: Mapping[str, Any], resource: Resource | None = None
) -> list[FieldError]:
    """What is wrong with a change of metadata."""
    new, before = tree["metadata"], old["metadata"]
    errors: list[FieldError] = []
    if before.get("deletionTimestamp"):
        errors += _no_new_finalizers(new.get("finalizers", ()), before.get("finalizers", ()))
    if new.get("generation", 0) < before.get("generation", 0):
        errors.append(
            invalid("metadata.generation", new.get("generation", 0), "must not be decremented")
        )
    for field in _IMMUTABLE:
        errors += immutable(new.get(field), before.get(field), f"metadata.{field}")
    kind = resource.kind if resource else tree.get("kind", "")
    return errors + _common(new, kind)


def _namespace(namespace: str, resource: Resource) -> list[FieldError]:
    if not resource.namespaced:
        unwanted = forbidden_field("metadata.namespace", "not allowed on this type")
        return [unwanted] if namespace else []
    if not namespace:
        return [required("metadata.namespace")]
    return _namespace_errors(namespace)


@passing
def _namespace_errors(namespace: str) -> list[FieldError]:
    return invalids("metadata.namespace", namespace, names.dns1123_label(namespace))


@passing
def _label_errors(found: Mapping[str, str]) -> list[FieldError]:
    return labels(found, "metadata.labels")


def _common(metadata: Mapping[str, Any], kind: str) -> list[FieldError]:
    """The checks that creation and update share."""
    errors: list[FieldError] = []
    if found := metadata.get("labels"):
        errors += _label_errors(found)
    if annotations := metadata.get("annotations"):
        errors += validate_annotations(annotations, "metadata.annotations")
    if owners := metadata.get("ownerReferences"):
        errors += _owner_references(owners)
    if finalizers := metadata.get("finalizers"):
        errors += _finalizers(finalizers, strict=kind not in _GENERIC_ONLY)
    return errors


def validate_annotations(annotations: Mapping[str, str], path: str) -> list[FieldError]:
    """Keys of annotations, and their size altogether."""
    errors: list[FieldError] = []
    size = 0
    for key, value in annotations.items():
        errors += invalids(path, key, names.qualified_name(key.lower()))
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_SIZE_MAX:
        errors.append(too_long(path, ANNOTATIONS_SIZE_MAX))
    return errors


def _owner_references(owners: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    path = "metadata.ownerReferences"
    errors: list[FieldError] = []
    controller = ""
    for owner in owners:
        api_version, kind = owner["apiVersion"], owner["kind"]
        if not api_version.rpartition("/")[2]:
            errors.append(invalid(f"{path}.apiVersion", api_version, "version must not be empty"))
        errors += [
            invalid(f"{path}.{field}", "", "must not be empty")
            for field in ("kind", "name", "uid")
            if not owner[field]
        ]
        if (api_version, kind) == ("v1", "Event"):
            detail = "/v1, Kind=Event is disallowed from being an owner"
            errors.append(invalid(path, owner, detail))
        if owner.get("controller"):
            named = f"{kind}/{owner['name']}"
            if controller:
                errors.append(invalid(path, owners, _two_controllers(controller, named)))
            controller = controller or named
    return errors


def _two_controllers(first: str, second: str) -> str:
    return (
        'Only one reference can have Controller set to true. Found "true" in references for '
        f"{first} and {second}"
    )


def _finalizers(finalizers: Sequence[str], *, strict: bool) -> list[FieldError]:
    path = "metadata.finalizers"
    errors: list[FieldError] = []
    for index, finalizer in enumerate(finalizers):
        errors += invalids(f"{path}[{index}]", finalizer, names.qualified_name(finalizer))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(path, finalizers, detail))
    if strict:
        errors += [
            invalid(
                f"{path}[{index}]",
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            )
            for index, finalizer in enumerate(finalizers)
            if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS
        ]
    return errors


def _no_new_finalizers(new: Sequence[str], old: Sequence[str]) -> list[FieldError]:
    added = sorted(set(new) - set(old))
    if not added:
        return []
    listed = "[]string{" + ", ".join(go_quote(one) for one in added) + "}"
    detail = (
        "no new finalizers can be added if the object is being deleted, "
        f"found new finalizers {listed}"
    )
    return [forbidden_field("metadata.finalizers", detail)]
