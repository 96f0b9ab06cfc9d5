"""Server-side apply requests: from a PATCH body to the object it makes of the live one. Pure.

Unlike upstream, which answers 500, a configuration that does not fit its type is a bad request.
Source: k8s.io/apiserver/pkg/endpoints/handlers/patch.go (applyPatcher), structuredmerge.go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from apiserver.codec.apply import Applier, Conflicts, apply, conflict_causes
from apiserver.codec.body import JSON, YAML, Body, Unparsable, parse_body
from apiserver.codec.canonical import canonical
from apiserver.codec.client_side_apply import KUBECTL, keep_annotation, taken_over
from apiserver.codec.explain import Explanation
from apiserver.codec.managed_fields import printable, read_entries
from apiserver.codec.scalars import Mismatch
from apiserver.codec.typed_check import misfits
from apiserver.codec.typed_trees import root_type
from apiserver.registry.options import boolean, field_validation
from apiserver.request import RequestContext
from wherry.api.errors import ApiError, bad_request, conflict, status_error
from wherry.api.model import TypedModel
from wherry.api.patch import copy_tree
from wherry.api.shape import Shape, shape_of

Tree = dict[str, Any]
Make = Callable[[Mapping[str, Any] | None], Tree]


def applier_of(ctx: RequestContext, body: bytes) -> Make:
    """What an apply of this body makes of an object; None is one that is not there yet."""
    model = ctx.resource.model
    config = read_config(ctx, body, model)

    def make(live: Mapping[str, Any] | None) -> Tree:
        if live is None and (uid := (config.get("metadata") or {}).get("uid")):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(ctx.resource.qualified_name, ctx.info.name, why)
        return _applied(ctx, live, config, shape_of(model))

    return make


def scale_applier_of(ctx: RequestContext, body: bytes, scale: type[TypedModel]) -> Make:
    """The same for the scale subresource: the Scale's replicas are the object's."""
    config = read_config(ctx, body, scale)
    spec = config.get("spec") or {}
    resource = ctx.resource
    parent: Tree = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {}}
    if "replicas" in spec:
        parent["spec"] = {"replicas": spec["replicas"]}
    for field in ("name", "namespace", "uid", "resourceVersion"):
        if value := (config.get("metadata") or {}).get(field):
            parent["metadata"][field] = value
    return lambda live: _applied(ctx, live, parent, shape_of(resource.model))


def read_config(ctx: RequestContext, body: bytes, model: type[TypedModel]) -> Tree:
    """The applied configuration in a YAML or JSON body, checked by type. ApiError 400."""
    try:
        parsed = _parse(body)
    except Unparsable as error:
        raise bad_request(f"error decoding YAML: {error}") from None
    tree, gvk = parsed.tree, model.GVK
    said = tree.get("apiVersion") or "", tree.get("kind") or ""
    if said != (gvk.api_version, gvk.kind):
        version = said[0] if "/" in str(said[0]) else f"/{said[0]}"
        raise bad_request(f"invalid object type: {version}, Kind={said[1]}")
    if problems := misfits(tree, root_type(shape_of(model))):
        raise bad_request(_untyped(tree, problems))
    if (tree.get("metadata") or {}).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    validation = field_validation(ctx.query)
    if parsed.notes and validation != "Ignore":
        complaint = "yaml: unmarshal errors:\n  " + "\n  ".join(parsed.notes)
        if validation == "Strict":
            raise bad_request(f"error strict decoding YAML: {complaint}")
        ctx.warnings.append(complaint)
    return tree


def _parse(body: bytes) -> Body:
    """JSON is YAML, and most clients write it; its own parser is far quicker."""
    if body[:1] == b"{":
        with contextlib.suppress(Unparsable):
            parsed = parse_body(body, JSON)
            if not parsed.repeated:
                return parsed
    parsed = parse_body(body, YAML)
    try:
        orjson.dumps(parsed.tree)
    except TypeError as error:
        # YAML knows integers beyond 64 bits and halves of characters; JSON's types do not
        raise Unparsable(str(error)) from None
    return parsed


def _applied(
    ctx: RequestContext, live: Mapping[str, Any] | None, config: Tree, shape: Shape
) -> Tree:
    applier = Applier(printable(ctx.field_manager), ctx.resource.api_version, ctx.info.subresource)
    managers = read_entries(live or {})

    def attempt(*, force: bool) -> Tree | Conflicts:
        try:
            return apply(live, config, managers, shape, applier, force=force, now=ctx.now)
        except (Mismatch, ValueError) as error:
            raise _senseless(config, shape, str(error)) from None

    found = attempt(force=boolean(ctx.query, "force"))
    if isinstance(found, Conflicts) and applier.manager == KUBECTL and live is not None:
        found = found.apart_from(taken_over(live, shape, applier.api_version))
        if not found.found:
            found = attempt(force=True)
    if isinstance(found, Conflicts):
        message, causes = conflict_causes(found)
        raise status_error("Conflict", message, details={"causes": causes})
    if applier.manager == KUBECTL:
        keep_annotation(found, config)
    return found


def _senseless(config: Tree, shape: Shape, words: str) -> ApiError:
    """400 for a value that no type check but its own parser refuses."""
    try:
        canonical(shape.model, copy_tree(config))
    except (Mismatch, ValueError):
        words = Explanation(shape, config).error or words
    gvk = f"{config['apiVersion'] if '/' in config['apiVersion'] else '/' + config['apiVersion']}"
    return bad_request(
        f"failed to convert new typed object ({_name(config)}; {gvk}, Kind={config['kind']}) "
        f"to object: {words}"
    )


def _untyped(tree: Mapping[str, Any], problems: list[str]) -> str:
    version = tree["apiVersion"] if "/" in tree["apiVersion"] else f"/{tree['apiVersion']}"
    said = (
        problems[0] if len(problems) == 1 else "errors:\n" + "".join(f"  {p}\n" for p in problems)
    )
    return f"failed to create typed patch object ({_name(tree)}; {version}, Kind={tree['kind']}): {said}"


def _name(tree: Mapping[str, Any]) -> str:
    metadata = tree.get("metadata")
    found = metadata if isinstance(metadata, dict) else {}
    return f"{found.get('namespace') or ''}/{found.get('name') or ''}"
