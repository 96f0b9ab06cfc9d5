"""The options of requests, from the query or a DeleteOptions body, checked as upstream checks them.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation and meta/internalversion/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.codec.body import PROTOBUF, Unparsable, media_type, parse_body
from apiserver.codec.decode import decode_tree
from apiserver.codec.protobuf import Malformed, read_body
from apiserver.registry.deletion import DeleteOptions
from apiserver.storage.watchers import Interest
from wherry.api import meta_v1
from wherry.api.errors import (
    ApiError,
    FieldError,
    bad_request,
    forbidden_field,
    invalid,
    invalid_object,
    not_supported,
    too_long,
)
from wherry.api.numerals import is_whole, whole
from wherry.api.scheme import Resource
from wherry.api.selectors import parse_field_selector, parse_label_selector

GROUP = "meta.k8s.io"
FIELD_MANAGER_CHARACTERS_MAX = 128
FIELD_VALIDATIONS = ("Ignore", "Strict", "Warn")
PROPAGATIONS = ("Background", "Foreground", "Orphan")
MATCHES = ("Exact", "NotOlderThan")


def boolean(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter as upstream reads it: present and neither `0` nor `false`."""
    value = query.get(name)
    return value is not None and value.lower() not in ("0", "false")


def integer(query: Mapping[str, str], name: str) -> int | None:
    """A whole number of 64 bits; ApiError 400 in the words of Go's strconv."""
    text = query.get(name)
    if not text:
        return None
    if (number := whole(text)) is None:
        why = "value out of range" if is_whole(text) else "invalid syntax"
        raise bad_request(f'strconv.ParseInt: parsing "{text}": {why}')
    return number


def _refuse(kind: str, errors: list[FieldError]) -> None:
    if errors:
        raise invalid_object(GROUP, kind, "", errors)


def check_write(query: Mapping[str, str], kind: str) -> None:
    """dryRun, fieldManager and fieldValidation of a write; `kind` is the options' name."""
    if not query:
        return
    errors = _dry_run([query["dryRun"]] if query.get("dryRun") else [])
    manager = query.get("fieldManager", "")
    if len(manager) > FIELD_MANAGER_CHARACTERS_MAX:
        errors.append(too_long("fieldManager", FIELD_MANAGER_CHARACTERS_MAX))
    if not manager.isprintable():
        errors.append(invalid("fieldManager", manager, "should only contain printable characters"))
    validation = query.get("fieldValidation", "")
    if validation and validation not in FIELD_VALIDATIONS:
        errors.append(not_supported("fieldValidation", validation, FIELD_VALIDATIONS))
    _refuse(kind, errors)


def _dry_run(values: list[str]) -> list[FieldError]:
    if all(value == "All" for value in values):
        return []
    value = next(value for value in values if value != "All")
    return [not_supported("dryRun", value, ("All",))]


def field_validation(query: Mapping[str, str]) -> str:
    return query.get("fieldValidation") or "Warn"


def delete_options(query: Mapping[str, str], body: bytes, content_type: str) -> DeleteOptions:
    """From the body when there is one, else from the query."""
    tree = _delete_body(body, content_type) if body.strip() else _delete_query(query)
    dry_run = tree.get("dryRun") or []
    orphan, policy = tree.get("orphanDependents"), tree.get("propagationPolicy")
    errors: list[FieldError] = []
    if orphan is not None and policy is not None:
        words = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(invalid("propagationPolicy", policy, words))
    if policy is not None and policy not in PROPAGATIONS:
        errors.append(not_supported("propagationPolicy", policy, PROPAGATIONS))
    errors += _dry_run(dry_run)
    _refuse("DeleteOptions", errors)
    preconditions = tree.get("preconditions") or {}
    return DeleteOptions(
        grace_period_seconds=tree.get("gracePeriodSeconds"),
        propagation=policy or "",
        orphan=orphan,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=bool(dry_run),
    )


def _delete_body(body: bytes, content_type: str) -> dict[str, Any]:
    try:
        if media_type(content_type) == PROTOBUF:
            tree = read_body(meta_v1.DeleteOptions, body)
        else:
            tree = parse_body(body, content_type).tree
    except Malformed as error:
        raise bad_request(f"couldn't get version/kind; {error}") from error
    except Unparsable as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    # Clients write the group-version they are talking to; all of them mean the same.
    if tree.get("kind") in (None, "", "DeleteOptions"):
        gvk = meta_v1.DeleteOptions.GVK
        tree = {**tree, "kind": gvk.kind, "apiVersion": gvk.api_version}
    return decode_tree(meta_v1.DeleteOptions, tree, "Ignore").tree


def _delete_query(query: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    if (grace := integer(query, "gracePeriodSeconds")) is not None:
        tree["gracePeriodSeconds"] = grace
    if policy := query.get("propagationPolicy"):
        tree["propagationPolicy"] = policy
    if "orphanDependents" in query:
        tree["orphanDependents"] = boolean(query, "orphanDependents")
    if value := query.get("dryRun"):
        tree["dryRun"] = [value]
    return tree


@dataclass(frozen=True, slots=True)
class ListOptions:
    """metav1.ListOptions, checked. `revision` is None when no resourceVersion was given."""

    interest: Interest
    revision: int | None = None
    match: str = ""
    limit: int = 0
    continue_: str = ""
    timeout_seconds: int | None = None
    bookmarks: bool = False
    initial_events: bool | None = None
    progress: bool = False  # a bookmark is wanted as soon as the watch has caught up


def list_options(
    query: Mapping[str, str], resource: Resource, namespace: str, *, watching: bool
) -> ListOptions:
    """The options of a list, watch or deletecollection; ApiError 400 or 422."""
    if not query:
        return ListOptions(Interest(namespace))
    initial = boolean(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    options = ListOptions(
        interest=interest_of(query, resource, namespace),
        revision=_revision(query.get("resourceVersion", "")),
        match=query.get("resourceVersionMatch", ""),
        limit=max(integer(query, "limit") or 0, 0),
        continue_=query.get("continue", ""),
        timeout_seconds=integer(query, "timeoutSeconds"),
        bookmarks=boolean(query, "allowWatchBookmarks"),
        initial_events=initial,
        progress=boolean(query, "progressNotify"),
    )
    _refuse("ListOptions", _list_errors(options, query, watching=watching))
    return options


def _list_errors(
    options: ListOptions, query: Mapping[str, str], *, watching: bool
) -> list[FieldError]:
    field, match, errors = "resourceVersionMatch", options.match, []
    if watching and options.initial_events is not None:
        if match != "NotOlderThan":
            words = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            errors.append(forbidden_field(field, words))
        return errors
    if options.initial_events is not None:
        words = "sendInitialEvents is forbidden for list"
        errors.append(forbidden_field("sendInitialEvents", words))
    if not match:
        return errors
    if watching:
        words = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(forbidden_field(field, words))
        return errors
    if not query.get("resourceVersion"):
        words = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        errors.append(forbidden_field(field, words))
    if options.continue_:
        words = "resourceVersionMatch is forbidden when continue is provided"
        errors.append(forbidden_field(field, words))
    if match not in MATCHES:
        errors.append(not_supported(field, match, MATCHES))
    elif match == "Exact" and options.revision == 0:
        words = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        errors.append(forbidden_field(field, words))
    return errors


def _revision(text: str) -> int | None:
    if not text:
        return None
    digits = text.isascii() and text.isdigit()
    number = whole(text) if digits else None
    if number is None:
        raise bad_request(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
            + ("value out of range" if digits else "invalid syntax")
        )
    return number


def interest_of(query: Mapping[str, str], resource: Resource, namespace: str) -> Interest:
    """The selectors; ApiError 400 in upstream's words."""
    labels = fields = None
    if text := query.get("labelSelector"):
        try:
            labels = parse_label_selector(text)
        except ValueError as error:
            raise bad_request(str(error)) from None
    if text := query.get("fieldSelector"):
        try:
            fields = parse_field_selector(text)
        except ValueError as error:
            raise bad_request(str(error)) from None
        for field in fields.fields:
            _check_field(field, resource)
    return Interest(
        namespace,
        labels if labels is not None and not labels.empty else None,
        fields if fields is not None and not fields.empty else None,
    )


def _check_field(field: str, resource: Resource) -> None:
    if field in resource.fields or field == "metadata.name":
        return
    if field == "metadata.namespace" and resource.namespaced:
        return
    raise _unknown_field(field, resource)


def _unknown_field(field: str, resource: Resource) -> ApiError:
    if not resource.fields:
        return bad_request(
            f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )
    return bad_request(f"field label not supported: {field}")
