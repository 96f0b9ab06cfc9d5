"""PATCH bodies: which kind of patch, and what it makes of an object. Pure.

A patch is applied to the object as it is served (with kind, apiVersion and resourceVersion), and the
result is then decoded like a PUT's body. Source: k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from apiserver.codec.body import DEPTH_MAX, go_kind, media_type
from wherry.api import strategic
from wherry.api.core_v1 import Secret
from wherry.api.errors import (
    ApiError,
    bad_request,
    forbidden_field,
    invalid_object,
    required,
    status_error,
)
from wherry.api.model import TypedModel
from wherry.api.patch import (
    MalformedPatch,
    PatchError,
    copy_tree,
    go_value,
    json_patch,
    merge_patch,
)
from wherry.api.shape import shape_of

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
OPERATIONS_MAX = 10_000
REDACTED = "REDACTED"
# All that upstream says of a JSON patch that fails.
_DOES_NOT_FIT = "the server rejected our request due to an error in our request"

Tree = dict[str, Any]
Apply = Callable[[Mapping[str, Any]], Tree]


def check_patch(query: Mapping[str, str], content_type: str) -> bool:
    """Whether the patch is a server-side apply (`applying.py`). ApiError 422."""
    applies = media_type(content_type) == APPLY_PATCH
    errors = []
    if applies and not query.get("fieldManager"):
        errors.append(required("fieldManager", "is required for apply patch"))
    if not applies and "force" in query:
        errors.append(forbidden_field("force", "may not be specified for non-apply patch"))
    if errors:
        raise invalid_object("meta.k8s.io", "PatchOptions", "", errors)
    return applies


class Patch(NamedTuple):
    """What a PATCH body stands for.

    apply: makes the wanted tree of an object's; ApiError 400 or 422 when it does not fit
    shown: what the refusal of a tree that is no object of its kind quotes
    converted: upstream does not write the tree as JSON to read it
    """

    apply: Apply
    shown: Callable[[Tree], str]
    converted: bool = False


def parse_patch(body: bytes, content_type: str, model: type[TypedModel]) -> Patch:
    """ApiError 400, 413 or 415. Of a Secret nothing is quoted, though upstream does."""
    patch = _parsed(body, content_type, model)
    return patch._replace(shown=lambda _: REDACTED) if model is Secret else patch


def _parsed(body: bytes, content_type: str, model: type[TypedModel]) -> Patch:
    kind = media_type(content_type)
    if kind == JSON_PATCH:
        operations = _json(body)
        if not isinstance(operations, list):
            words = f"json: cannot unmarshal {go_kind(operations)} into Go value of type []interface {{}}"
            raise bad_request(f"error decoding patch: {words}")
        if len(operations) > OPERATIONS_MAX:
            raise status_error(
                "RequestEntityTooLarge",
                f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, "
                f"got {len(operations)}",
            )
        return Patch(
            _guarded(lambda old: _shallow(json_patch(copy_tree(old), operations))), _json_of
        )
    if kind == MERGE_PATCH:
        merge = _object(body)
        return Patch(_guarded(lambda old: merge_patch(copy_tree(old), merge)), _json_of)
    if kind == STRATEGIC_PATCH:
        strategic_patch = _object(body)
        shape = shape_of(model)
        apply = _guarded(lambda old: strategic.apply(copy_tree(old), strategic_patch, shape), str)
        return Patch(apply, lambda _: go_value(strategic_patch), converted=True)
    raise status_error(
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        f"{JSON_PATCH}, {MERGE_PATCH}, {STRATEGIC_PATCH}, {APPLY_PATCH}",
    )


def _json(body: bytes) -> Any:
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(
            f"error decoding patch: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    if too_deep(tree):
        raise bad_request(f"error decoding patch: nested deeper than {DEPTH_MAX} levels")
    return tree


def too_deep(tree: Any) -> bool:
    """Whether a tree is nested deeper than can be written again."""
    try:
        orjson.dumps(tree)
    except (TypeError, RecursionError):
        return True
    return False


def _object(body: bytes) -> Tree:
    tree = _json(body)
    if not isinstance(tree, dict):
        raise bad_request("error decoding patch: it is no JSON object")
    return tree


def _shallow(tree: Any) -> Any:
    """The tree, unless its operations nested it too deeply."""
    if too_deep(tree):
        raise PatchError(f"the result is nested deeper than {DEPTH_MAX} levels")
    return tree


def _guarded(
    apply: Callable[[Mapping[str, Any]], Any],
    worded: Callable[[PatchError], str] = lambda _: _DOES_NOT_FIT,
) -> Apply:
    def guarded(old: Mapping[str, Any]) -> Tree:
        try:
            tree = apply(old)
        except MalformedPatch as error:
            raise bad_request(str(error)) from None
        except PatchError as error:
            raise _cannot_apply(worded(error)) from None
        except RecursionError:
            raise _cannot_apply(f"the result is nested deeper than {DEPTH_MAX} levels") from None
        if not isinstance(tree, dict):
            raise _cannot_apply(_DOES_NOT_FIT)
        return tree

    return guarded


def _cannot_apply(words: str) -> ApiError:
    """422, as a patch that parses but does not fit the object."""
    return status_error("Invalid", words, details={})


def _json_of(tree: Tree) -> str:
    return orjson.dumps(tree).decode()
