"""Decoding: from a request's body to the canonical tree of the kind that was asked for.

Wrong JSON types are refused with 400 in upstream's words; unknown and repeated fields are dropped with
a warning each, refused (`fieldValidation=Strict`) or ignored (`Ignore`). The answer is a new tree that
the caller owns. Defaults and values are the registry's business.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers (transformDecodeError), runtime/serializer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from apiserver.codec.body import JSON, PROTOBUF, Unparsable, media_type, parse_body, summarize
from apiserver.codec.body import go_kind as go_kind
from apiserver.codec.canonical import canonical
from apiserver.codec.explain import Explanation
from apiserver.codec.go_names import go_package
from apiserver.codec.protobuf import Malformed, read_body
from apiserver.codec.scalars import Mismatch
from wherry.api.errors import ApiError, bad_request, invalid, invalid_object
from wherry.api.model import GroupVersionKind, TypedModel
from wherry.api.scheme import BY_KIND
from wherry.api.shape import shape_of

IGNORE: Final = "Ignore"
WARN: Final = "Warn"
STRICT: Final = "Strict"

# Where upstream keeps its list of kinds; part of an error's words.
_SCHEME: Final = "pkg/api/legacyscheme/scheme.go:30"

Tree = dict[str, Any]


class _Refused(Exception):
    """The tree is no object of the model: what it says it is, and upstream's words for why not."""

    def __init__(self, kind: str, version: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.version = version


class Decoded(NamedTuple):
    """A canonical tree and the texts of `Warning` headers that decoding earned."""

    tree: Tree
    warnings: list[str]


def decode(
    model: type[TypedModel],
    body: bytes,
    content_type: str = JSON,
    field_validation: str = WARN,
) -> Decoded:
    """Decode a request's body as an object of `model`. Raises ApiError 400 or 415."""
    try:
        if media_type(content_type) == PROTOBUF:
            return _decode(model, _read_protobuf(model, body), field_validation, False, ())
        parsed = parse_body(body, content_type)
        _check_head(model, parsed.tree, body)
        return _decode(model, parsed.tree, field_validation, parsed.repeated, parsed.notes)
    except Unparsable as error:
        raise _unrecognized(
            model, f"couldn't get version/kind; json parse error: {error}", body
        ) from error
    except _Refused as error:
        raise _cannot_handle(model, error) from error


def _read_protobuf(model: type[TypedModel], body: bytes) -> Tree:
    try:
        tree = read_body(model, body)
    except Malformed as error:
        raise Unparsable(f"protobuf: {error}") from error
    _check_head(model, tree, body)
    return tree


def decode_tree(model: type[TypedModel], tree: Tree, field_validation: str = WARN) -> Decoded:
    """Like `decode` for a tree that is already parsed. ApiError 400."""
    try:
        return _decode_parsed(model, tree, field_validation)
    except _Refused as error:
        raise _cannot_handle(model, error) from error


def decode_patched(
    model: type[TypedModel],
    tree: Tree,
    field_validation: str,
    shown: Callable[[], str],
    *,
    converted: bool = False,
) -> Decoded:
    """Decode what a patch made of an object. ApiError 422, which quotes what `shown` gives.

    converted: upstream does not write the tree as JSON to read it (a strategic merge patch's)
    """
    try:
        return _decode_parsed(model, tree, field_validation, converted=converted)
    except _Refused as error:
        raise invalid_object("", "", "", [invalid("patch", shown(), str(error))]) from error


def _decode_parsed(
    model: type[TypedModel], tree: Tree, field_validation: str, *, converted: bool = False
) -> Decoded:
    _check_head(model, tree, b"")
    return _decode(model, dict(tree), field_validation, False, (), converted=converted)


def _decode(
    model: type[TypedModel],
    tree: Tree,
    field_validation: str,
    repeated: bool,
    notes: Sequence[str],
    *,
    converted: bool = False,
) -> Decoded:
    gvk = model.GVK
    tree["kind"] = gvk.kind
    tree["apiVersion"] = gvk.api_version
    unknown: list[str] = []
    try:
        found = canonical(model, tree, unknown)
    except (Mismatch, ValueError) as error:
        words = Explanation(shape_of(model), tree, converted=converted).error or str(error)
        raise _Refused(gvk.kind, gvk.version, words) from error
    if field_validation == IGNORE or not (unknown or repeated or notes):
        return Decoded(found, [])
    complaints = [*notes, *Explanation(shape_of(model), tree).strict]
    if field_validation == STRICT:
        words = "strict decoding error: " + ", ".join(complaints)
        raise _Refused(gvk.kind, gvk.version, words)
    return Decoded(found, complaints)


def _check_head(model: type[TypedModel], tree: Tree, body: bytes) -> None:
    """Whether the body says it is what the path wants; silence is consent."""
    gvk = model.GVK
    kind, api_version = tree.get("kind"), tree.get("apiVersion")
    if kind == gvk.kind and api_version == gvk.api_version:
        return
    for name, value in (("kind", kind), ("apiVersion", api_version)):
        if not isinstance(value, str | None):
            words = f"json: cannot unmarshal {go_kind(value)} into Go struct field .{name} of type string"
            raise _unrecognized(
                model, f"couldn't get version/kind; json parse error: {words}", body
            )
    kind = kind or gvk.kind
    api_version = api_version or gvk.api_version
    if api_version.count("/") > 1:
        raise _unrecognized(model, f"unexpected GroupVersion string: {api_version}", body)
    group, _, version = api_version.rpartition("/")
    said = GroupVersionKind(group, version, kind)
    if said == gvk:
        return
    if said not in BY_KIND:
        words = f'no kind "{kind}" is registered for version "{api_version}" in scheme "{_SCHEME}"'
    elif kind != gvk.kind:
        words = (
            f"converting (v1.{kind}) to ({go_package(gvk.group)}.{gvk.kind}): unknown conversion"
        )
    else:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version ({gvk.api_version})"
        )
    raise _Refused(kind, version, words)


def _cannot_handle(model: type[TypedModel], refused: _Refused) -> ApiError:
    return bad_request(
        f'{refused.kind} in version "{refused.version}" cannot be handled as a '
        f"{model.GVK.kind}: {refused}"
    )


def _unrecognized(model: type[TypedModel], words: str, body: bytes) -> ApiError:
    return bad_request(
        f"the object provided is unrecognized (must be of type {model.GVK.kind}): "
        f"{words} ({summarize(body)})"
    )
