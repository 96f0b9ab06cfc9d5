"""Who controls what: controller references, adoption and release. Pure.

An object is *claimed* by a controller when its controller reference says so, or when it has none and
the controller's selector matches it (then it is adopted). One that stopped matching is released.

Source of the rules: upstream's controller_ref_manager.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from controller_manager.plan import Patch
from wherry.api.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from wherry.api.model import TypedModel
from wherry.api.selectors import label_selector


class HasMetadata(Protocol):
    """Any stored object."""

    @property
    def metadata(self) -> ObjectMeta: ...


M = TypeVar("M", bound=TypedModel)


def metadata_of(obj: TypedModel) -> ObjectMeta:
    """Every stored kind has metadata; the base class does not say so."""
    metadata: ObjectMeta = obj.metadata  # type: ignore[attr-defined]  # see above
    return metadata


def controller_of(metadata: ObjectMeta) -> OwnerReference | None:
    return next((ref for ref in metadata.owner_references if ref.controller), None)


def controller_reference(owner: TypedModel) -> OwnerReference:
    """The reference by which `owner` controls what it makes."""
    metadata = metadata_of(owner)
    return OwnerReference(
        api_version=owner.GVK.api_version,
        kind=owner.GVK.kind,
        name=metadata.name,
        uid=metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def selects(selector: LabelSelector | None, labels: dict[str, str]) -> bool:
    """Does a workload's selector match? A missing or an empty one matches nothing of its own."""
    if selector is None or is_empty(selector):
        return False
    return label_selector(selector).matches(labels)


def is_empty(selector: LabelSelector) -> bool:
    return not selector.match_labels and not selector.match_expressions


@dataclass(frozen=True, slots=True)
class Claims(Generic[M]):
    """owned: controlled and matching; adopt: ours once adopted; release: ours no longer."""

    owned: tuple[M, ...]
    adopt: tuple[M, ...]
    release: tuple[M, ...]


def claim(owner: TypedModel, selector: LabelSelector | None, candidates: Iterable[M]) -> Claims[M]:
    """Sort candidates of the owner's own namespace by what the owner has to do about them."""
    mine = metadata_of(owner)
    deleting = mine.deletion_timestamp is not None
    owned: list[M] = []
    adopt: list[M] = []
    release: list[M] = []
    for candidate in candidates:
        metadata = metadata_of(candidate)
        reference = controller_of(metadata)
        if reference is not None and reference.uid != mine.uid:
            continue
        matches = selects(selector, metadata.labels)
        if reference is not None:
            if matches:
                owned.append(candidate)
            elif not deleting:
                release.append(candidate)
        elif matches and not deleting and metadata.deletion_timestamp is None:
            adopt.append(candidate)
    return Claims(tuple(owned), tuple(adopt), tuple(release))


def adoption(owner: TypedModel, obj: TypedModel, finalizers: Sequence[str] = ()) -> Patch:
    """Writes the owner's controller reference into an orphan; the uid guards against a namesake."""
    reference = controller_reference(owner).to_wire()
    return _reference_patch(obj, reference, {"finalizers": list(finalizers)} if finalizers else {})


def releasing(owner: TypedModel, obj: TypedModel, finalizers: Sequence[str] = ()) -> Patch:
    """Takes the owner's reference out of an object that no longer matches."""
    entry = {"$patch": "delete", "uid": metadata_of(owner).uid}
    removal = {"$deleteFromPrimitiveList/finalizers": list(finalizers)} if finalizers else {}
    return _reference_patch(obj, entry, removal)


def _reference_patch(obj: TypedModel, entry: dict[str, Any], more: dict[str, Any]) -> Patch:
    metadata = metadata_of(obj)
    patch = {"metadata": {"uid": metadata.uid, "ownerReferences": [entry], **more}}
    return Patch(type(obj), metadata.namespace, metadata.name, patch)
