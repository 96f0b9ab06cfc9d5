"""A default role or binding that is there already: what must be added to it. Pure.

Rights and subjects that are missing are added, those that somebody added stay. An object whose
annotation says so is left alone.

Source: component-helpers/auth/rbac/reconciliation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.authz.covering import missing
from apiserver.authz.rules import compile_rules
from apiserver.bootstrap_policy.policy import AUTOUPDATE
from wherry.api.patch import copy_tree

Tree = dict[str, Any]


@dataclass(frozen=True)
class Keep:
    """Nothing is missing, or nobody may add it."""


@dataclass(frozen=True)
class Update:
    """The object must be like this."""

    tree: Tree


@dataclass(frozen=True)
class Recreate:
    """It is bound to another role, which can't be changed: it must be made anew."""


Step = Keep | Update | Recreate


def reconciled(found: Mapping[str, Any], default: Mapping[str, Any]) -> Step:
    """What to do with an object that is there, given what it should be."""
    metadata = found["metadata"]
    if (metadata.get("annotations") or {}).get(AUTOUPDATE) == "false":
        return Keep()
    binding = "roleRef" in default
    if binding and found["roleRef"] != default["roleRef"]:
        return Recreate()
    added = _subjects(found, default) if binding else _rights(found, default)
    for field in ("labels", "annotations"):
        held = metadata.get(field) or {}
        if lacking := {k: v for k, v in default["metadata"][field].items() if k not in held}:
            added.setdefault("metadata", {})[field] = {**held, **lacking}
    if not added:
        return Keep()
    tree = copy_tree(found)
    tree["metadata"].update(added.pop("metadata", {}))
    return Update(tree | added)


def _rights(found: Mapping[str, Any], default: Mapping[str, Any]) -> Tree:
    """What a role's fields become where rights or selectors are missing."""
    added: Tree = {}
    held, wanted = found.get("rules") or [], default["rules"] or []
    if held != wanted:
        lacking = missing(compile_rules(held), wanted)
        if lacking:
            added["rules"] = [*held, *lacking]
    if (aggregation := default.get("aggregationRule")) is not None:
        selectors = (found.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
        more = [one for one in aggregation["clusterRoleSelectors"] if one not in selectors]
        if more:
            added["aggregationRule"] = {"clusterRoleSelectors": [*selectors, *more]}
    return added


def _subjects(found: Mapping[str, Any], default: Mapping[str, Any]) -> Tree:
    held = found.get("subjects") or []
    more = [one for one in default.get("subjects", ()) if one not in held]
    return {"subjects": [*held, *more]} if more else {}
