"""What `apply` sends: the difference between what was applied last, what is wanted and what is.

Pure. Kinds we know are patched strategically (lists by key), others by JSON merge patch. What was
applied last is remembered in an annotation, under kubectl's name, so that both tools agree.

Source: k8s.io/kubectl/pkg/util/apply.go, jsonmergepatch.CreateThreeWayJSONMergePatch.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from wherry.api.patch import diff_merge_patch, merge_patch
from wherry.api.shape import shape_of
from wherry.api.strategic import create_three_way

Tree = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def with_last_applied(tree: Mapping[str, Any]) -> Tree:
    """The object with itself written into its annotation."""
    bare = copy.deepcopy(dict(tree))
    meta = bare.setdefault("metadata", {})
    annotations = meta["annotations"] = dict(meta.get("annotations") or {})
    annotations.pop(LAST_APPLIED, None)
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    annotations[LAST_APPLIED] = text
    return bare


def last_applied(current: Mapping[str, Any]) -> Tree | None:
    """What was applied last; None when the object was made otherwise (or the note is broken)."""
    annotations = current.get("metadata", {}).get("annotations") or {}
    try:
        found = json.loads(annotations.get(LAST_APPLIED, ""))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def three_way(
    original: Mapping[str, Any], wanted: Mapping[str, Any], current: Mapping[str, Any]
) -> tuple[Tree, bool]:
    """The patch, and whether it is a strategic one."""
    from wherry.api.model import GroupVersionKind
    from wherry.api.scheme import BY_KIND

    group, _, version = str(wanted.get("apiVersion", "")).rpartition("/")
    known = BY_KIND.get(GroupVersionKind(group, version, str(wanted.get("kind", ""))))
    if known is not None:
        return create_three_way(original, wanted, current, shape_of(known.model)), True
    changes = _without_nulls(diff_merge_patch(current, wanted))
    deletions = _only_nulls(diff_merge_patch(original, wanted))
    merged: Tree = merge_trees(changes, deletions)
    return merged, False


def changes_nothing(current: Mapping[str, Any], patch: Mapping[str, Any]) -> bool:
    """A JSON merge patch whose every deletion is of something that isn't there anyway."""
    return bool(merge_patch(current, patch) == current)


def merge_trees(left: Mapping[str, Any], right: Mapping[str, Any]) -> Tree:
    """Both trees' entries; nulls are kept, as they are orders to delete."""
    merged = dict(left)
    for key, value in right.items():
        mine = merged.get(key)
        both = isinstance(mine, dict) and isinstance(value, dict)
        merged[key] = merge_trees(mine, value) if both else value  # type: ignore[arg-type]  # both are dicts
    return merged


def _without_nulls(tree: Mapping[str, Any]) -> Tree:
    kept = {k: _without_nulls(v) if isinstance(v, dict) else v for k, v in tree.items()}
    return {k: v for k, v in kept.items() if v is not None and v != {}}


def _only_nulls(tree: Mapping[str, Any]) -> Tree:
    kept = {k: _only_nulls(v) if isinstance(v, dict) else v for k, v in tree.items()}
    return {k: v for k, v in kept.items() if v is None or (isinstance(v, dict) and v)}
