"""From `kubectl apply` to `kubectl apply --server-side`, and back: the last-applied annotation.

The manager `kubectl` may take over, without force, fields that the annotation says it applied itself
and that nobody has changed since. Where the annotation is there, an apply by `kubectl` keeps it true.

Source: k8s.io/apimachinery/pkg/util/managedfields/internal/{lastappliedmanager,lastappliedupdater}.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from apiserver.codec.canonical import canonical
from apiserver.codec.field_sets import Node, difference
from apiserver.codec.ownership import compare_objects
from apiserver.codec.scalars import Mismatch
from apiserver.codec.typed_check import misfits
from apiserver.codec.typed_trees import field_set, root_type
from wherry.api.shape import Shape

KUBECTL: Final = "kubectl"
ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"
ANNOTATIONS_SIZE_MAX: Final = 256 * 1024
_IDENTITY: Final = frozenset({"kind", "apiVersion"})


def taken_over(live: Mapping[str, Any], shape: Shape, api_version: str) -> Node:
    """The fields that client-side apply owns by the annotation's word; none when it says nothing."""
    text = _annotations(live).get(ANNOTATION)
    if not text:
        return {}
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    kind = root_type(shape)
    if not isinstance(tree, dict) or tree.get("apiVersion") != api_version or misfits(tree, kind):
        return {}
    try:
        said = canonical(shape.model, tree)
    except (Mismatch, ValueError):
        return {}
    changed, removed = compare_objects(said, live, shape, _IDENTITY)
    return difference(difference(field_set(tree, kind), changed), removed)


def keep_annotation(tree: dict[str, Any], applied: Mapping[str, Any]) -> None:
    """Write what was applied into the annotation, where there is one; drop it when it gets too big."""
    annotations = _annotations(tree)
    if not annotations.get(ANNOTATION):
        return
    config = {**applied, "metadata": {**(applied.get("metadata") or {})}}
    if own := config["metadata"].get("annotations"):
        own = {key: value for key, value in own.items() if key != ANNOTATION}
        config["metadata"]["annotations"] = own
    text = orjson.dumps(config, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    kept = {**annotations, ANNOTATION: text}
    if (
        sum(len(key.encode()) + len(value.encode()) for key, value in kept.items())
        > ANNOTATIONS_SIZE_MAX
    ):
        del kept[ANNOTATION]
    tree["metadata"]["annotations"] = kept


def _annotations(tree: Mapping[str, Any]) -> dict[str, str]:
    return (tree.get("metadata") or {}).get("annotations") or {}
