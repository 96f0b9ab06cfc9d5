"""What happens to an object between a request's body and the store. Pure; the order is upstream's.

create: fill metadata → default → managed fields → mutating admission → prepare → validate →
validating admission. update: the same, with what an update may not touch taken from the old object.

A `Write` says what is being done; the tree handed in is changed in place and is the caller's own.

Source: k8s.io/apiserver/pkg/registry/rest/{create,update}.go and endpoints/handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from apiserver.admission.interface import Attributes, Operation
from apiserver.codec import managed_fields
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import validate_metadata, validate_metadata_update
from apiserver.request import RequestContext
from wherry.api.errors import (
    OBJECT_MODIFIED,
    ApiError,
    FieldError,
    bad_request,
    conflict,
    invalid,
    invalid_object,
)
from wherry.api.model import format_time
from wherry.api.names import generate_name
from wherry.api.scheme import Resource
from wherry.api.shape import shape_of

# The order of metav1.ObjectMeta; resourceVersion is spliced in when an object is served.
_METADATA_ORDER: Final = (
    "name", "generateName", "namespace", "selfLink", "uid", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences",
    "finalizers", "managedFields",
)  # fmt: skip
_NOT_SPEC: Final = frozenset({"kind", "apiVersion", "metadata", "status"})
# Subresources that write a part of the object by rules of its kind.
PARTS: Final = frozenset({"approval", "ephemeralcontainers", "resize"})
# Writes of parts of an object that are not the client's whole object: they are not checked again.
RAW_SUBRESOURCES: Final = frozenset({"binding", "eviction"})


class Admission(Protocol):
    """The admission chain (`admission/chain.py`)."""

    def admit(self, attributes: Attributes) -> None: ...

    def validate(self, attributes: Attributes) -> None: ...


@dataclass(slots=True)
class Write:
    """One write on its way: where it goes and who asked for it.

    name: of a creation, known when the body has been read, "" while it is yet to be generated. Else
          nothing changes; it is not frozen because that costs more than all its fields.
    """

    resource: Resource
    strategy: Strategy
    admission: Admission
    ctx: RequestContext
    namespace: str
    name: str = ""
    subresource: str = ""
    dry_run: bool = False
    # A server-side apply: it comes with its managedFields, and makes what is not there.
    applies: bool = False
    # What others hold, for kinds that allocate, as if they were objects of the kind.
    others: Callable[[], Iterable[Mapping[str, Any]]] = tuple

    def attributes(
        self, operation: Operation, tree: Tree | None, old: Mapping[str, Any] | None
    ) -> Attributes:
        return Attributes(
            operation, self.resource, self.subresource, self.namespace, self.name, tree, old,
            self.ctx.user, self.dry_run, self.ctx.warnings, self.ctx.audit_annotations,
        )  # fmt: skip


def prepare_create(
    write: Write,
    tree: Tree,
    new_uid: Callable[[], str],
    new_name: Callable[[str], str] = generate_name,
) -> None:
    """All of a creation but the store. ApiError when it is refused."""
    strategy, ctx, resource = write.strategy, write.ctx, write.resource
    metadata = tree.setdefault("metadata", {})
    match_namespace(resource, metadata, write.namespace)
    if not metadata.get("name") and (prefix := metadata.get("generateName")):
        metadata["name"] = new_name(prefix)
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = format_time(ctx.now)
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(field, None)
    strategy.default(tree)
    _track(write, tree, None)
    attributes = write.attributes("CREATE", tree, None)
    write.admission.admit(attributes)
    strategy.allocate(tree, None, write.others)
    strategy.prepare_for_create(tree)
    strategy.stamp(tree, None, ctx)
    if strategy.has_generation:
        metadata["generation"] = 1
    errors = validate_metadata(tree, resource, strategy.name_errors)
    errors += strategy.validate(tree)
    _refuse(resource, metadata.get("name", ""), errors)
    ctx.warnings.extend(strategy.warnings(tree, None))
    write.admission.validate(attributes)
    _order_metadata(tree)


def prepare_update(write: Write, tree: Tree, old: Mapping[str, Any]) -> None:
    """All of an update but the store. ApiError when it is refused.

    `old` carries its resourceVersion; so does `tree` when its writer insists on that state.
    """
    strategy, ctx, resource = write.strategy, write.ctx, write.resource
    metadata, before = tree["metadata"], old["metadata"]
    match_namespace(resource, metadata, write.namespace)
    _check_identity(write, metadata, before)
    if write.subresource in RAW_SUBRESOURCES:
        return
    for field in ("generation", "creationTimestamp"):
        _keep(metadata, before, field)
    metadata["uid"] = before["uid"]
    if before.get("deletionTimestamp"):
        _keep(metadata, before, "deletionTimestamp")
        _keep(metadata, before, "deletionGracePeriodSeconds")
    else:
        metadata.pop("deletionTimestamp", None)
        metadata.pop("deletionGracePeriodSeconds", None)
    if write.subresource in PARTS:  # nobody comes to manage what is dropped
        strategy.prepare_for_part(write.subresource, tree, old)
    strategy.default(tree)
    _track(write, tree, old)
    attributes = write.attributes("UPDATE", tree, old)
    write.admission.admit(attributes)
    status = write.subresource == "status"
    if status:
        strategy.prepare_for_status_update(tree, old)
    elif write.subresource == "finalize":
        strategy.prepare_for_finalize(tree, old)
    elif write.subresource in PARTS:
        strategy.prepare_for_part(write.subresource, tree, old)
        _count_generation(write, tree, old)
    else:
        strategy.allocate(tree, old, write.others)
        strategy.prepare_for_update(tree, old)
        _count_generation(write, tree, old)
    strategy.stamp(tree, old, ctx)
    errors = validate_metadata_update(tree, old, resource)
    _refuse(resource, write.name, errors + _update_errors(write, tree, old))
    if not status and write.subresource not in PARTS:
        ctx.warnings.extend(strategy.warnings(tree, old))
    write.admission.validate(attributes)
    _order_metadata(tree)


def _count_generation(write: Write, tree: Tree, old: Mapping[str, Any]) -> None:
    if write.strategy.has_generation and spec_differs(tree, old):
        tree["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _update_errors(write: Write, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
    strategy, part = write.strategy, write.subresource
    if part == "status":
        return strategy.validate_status_update(tree, old)
    if part in PARTS:
        return strategy.validate_part_update(part, tree, old)
    return strategy.validate_update(tree, old)


def match_namespace(resource: Resource, metadata: Tree, namespace: str) -> None:
    """The body's namespace is the path's, or is filled from it. ApiError 400."""
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    found = metadata.get("namespace", "")
    if found and found != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace


def match_name(metadata: Tree, name: str) -> None:
    """The body's name is the path's, or is filled from it. ApiError 400."""
    found = metadata.get("name", "")
    if found and found != name:
        raise bad_request(
            f"the name of the object ({found}) does not match the name on the URL ({name})"
        )
    metadata["name"] = name


def spec_differs(tree: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether anything but metadata and status changed."""
    if tree.get("spec") != old.get("spec"):
        return True
    keys = (tree.keys() | old.keys()) - _NOT_SPEC
    return any(tree.get(key) != old.get(key) for key in keys)


def is_same(tree: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether storing `tree` would change nothing but the times in managedFields."""
    if tree.keys() != old.keys():
        return False
    if any(tree[key] != old[key] for key in tree if key != "metadata"):
        return False
    new, before = tree["metadata"], old["metadata"]
    skipped = {"managedFields", "resourceVersion"}
    if (new.keys() - skipped) != (before.keys() - skipped):
        return False
    if any(new[key] != before[key] for key in new if key not in skipped):
        return False
    left, right = new.get("managedFields") or [], before.get("managedFields") or []
    if left == right:
        return True
    return [_untimed(one) for one in left] == [_untimed(one) for one in right]


def _untimed(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "time"}


def _check_identity(write: Write, metadata: Tree, before: Mapping[str, Any]) -> None:
    """The object written is the one that is there, in the state its writer saw."""
    resource = write.resource
    wanted = metadata.get("uid")
    if wanted and wanted != before["uid"]:
        raise conflict(
            resource.qualified_name, write.name,
            f"Precondition failed: UID in precondition: {wanted}, "
            f"UID in object meta: {before['uid']}",
        )  # fmt: skip
    version = metadata.pop("resourceVersion", "").lstrip("0")  # 0 stands for none
    if not version and not write.strategy.allow_unconditional_update:
        error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid_object(resource.group, resource.kind, write.name, [error])
    if version and version != before["resourceVersion"]:
        raise conflict(resource.qualified_name, write.name, OBJECT_MODIFIED)


def _keep(metadata: Tree, before: Mapping[str, Any], field: str) -> None:
    if field in before:
        metadata[field] = before[field]
    else:
        metadata.pop(field, None)


def _refuse(resource: Resource, name: str, errors: list[FieldError]) -> None:
    if errors:
        raise invalid_object(resource.group, resource.kind, name, errors)


def _track(write: Write, tree: Tree, old: Mapping[str, Any] | None) -> None:
    if write.applies:
        return
    managed_fields.track(
        tree,
        old,
        shape_of(write.resource.model),
        manager=write.ctx.field_manager,
        operation="Update",
        api_version=write.resource.api_version,
        subresource=write.subresource,
        now=write.ctx.now,
    )


def _order_metadata(tree: Tree) -> None:
    metadata = tree["metadata"]
    tree["metadata"] = {key: metadata[key] for key in _METADATA_ORDER if key in metadata}


__all__ = ["Admission", "ApiError", "Write", "is_same", "prepare_create", "prepare_update"]
