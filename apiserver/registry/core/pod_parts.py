"""What a write of `pods/ephemeralcontainers` or `pods/resize` may touch: the rest stays as it was.

Source: dropNonEphemeralContainerUpdates, dropNonResizeUpdates of pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.strategy import Tree
from wherry.api.patch import copy_tree

EPHEMERAL_CONTAINERS: Final = "ephemeralcontainers"
RESIZE: Final = "resize"
_RESIZED: Final = ("resources", "resizePolicy")
_METADATA: Final = ("labels", "annotations", "finalizers", "ownerReferences")


def keep_ephemeral_containers(tree: Tree, old: Mapping[str, Any]) -> None:
    """Of the new pod only its ephemeral containers count."""
    added = tree["spec"].get("ephemeralContainers")
    tree["spec"] = copy_tree(old["spec"])
    tree["spec"].pop("ephemeralContainers", None)
    if added:
        tree["spec"]["ephemeralContainers"] = added
    _keep_rest(tree, old)


def keep_resources(tree: Tree, old: Mapping[str, Any]) -> None:
    """Of the new pod only its containers' resources count.

    A pod with other containers than before is left alone: validation says what is wrong with it.
    """
    new, before = tree["spec"], old["spec"]
    kept = copy_tree(before)
    for field in ("containers", "initContainers"):
        found, others = new.get(field) or (), before.get(field) or ()
        if len(found) != len(others):
            return
        if found:
            kept[field] = _merged(found, kept[field])
    if "resources" in new:
        kept["resources"] = new["resources"]
    else:
        kept.pop("resources", None)
    tree["spec"] = kept
    _keep_rest(tree, old)


def _merged(new: Sequence[Tree], old: Sequence[Mapping[str, Any]]) -> list[Any]:
    if [one["name"] for one in new] != [one["name"] for one in old]:
        return list(new)
    return [
        {field: value for field, value in before.items() if field not in _RESIZED}
        | {field: found[field] for field in _RESIZED if field in found}
        for found, before in zip(new, old, strict=True)
    ]


def _keep_rest(tree: Tree, old: Mapping[str, Any]) -> None:
    tree["status"] = copy_tree(old["status"])
    for field in _METADATA:
        if field in old["metadata"]:
            tree["metadata"][field] = old["metadata"][field]
        else:
            tree["metadata"].pop(field, None)
