"""Whether rights cover other rights, and what is missing. Pure.

The rules asked about are broken down until each speaks of one verb, group, resource and name; such a
rule is either covered by one rule of the owner or by none.

Source: component-helpers/auth/rbac/validation, pkg/registry/rbac/validation/policy_compact.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from apiserver.authz.rules import ALL, Rule, compile_rules
from wherry.api.errors import go_quote

_FIELDS: Final = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)

Tree = Mapping[str, Any]


def missing(owned: Sequence[Rule], asked: Iterable[Tree]) -> list[Tree]:
    """The parts of the asked rules that the owned ones do not cover, each as small as can be."""
    return [
        part
        for rule in asked
        for part in broken_down(rule)
        if not any(_covers(owner, part) for owner in owned)
    ]


def covers(owned: Iterable[Tree], asked: Iterable[Tree]) -> bool:
    return not missing(compile_rules(owned), asked)


def broken_down(rule: Tree) -> Iterator[Tree]:
    """A rule as rules of one verb and one group, resource and name, or one path."""
    verbs = rule.get("verbs") or ()
    names = rule.get("resourceNames") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                part: Tree = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                if not names:
                    yield part
                for name in names:
                    yield {**part, "resourceNames": [name]}
    for url in rule.get("nonResourceURLs") or ():
        for verb in verbs:
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def _covers(owner: Rule, part: Tree) -> bool:
    verb: str = part["verbs"][0]
    if verb not in owner.verbs and ALL not in owner.verbs:
        return False
    if urls := part.get("nonResourceURLs"):
        url: str = urls[0]
        return url in owner.paths or any(url.startswith(prefix) for prefix in owner.prefixes)
    group, resource = part["apiGroups"][0], part["resources"][0]
    if group not in owner.groups and ALL not in owner.groups:
        return False
    if ALL not in owner.resources and resource not in owner.resources:
        _, slash, subresource = resource.partition("/")
        if not slash or f"*/{subresource}" not in owner.resources:
            return False
    names = part.get("resourceNames")
    return not owner.names or (names is not None and names[0] in owner.names)


def told(parts: Iterable[Tree]) -> str:
    """Missing rules for a person, one a line, those that differ in their verbs only in one."""
    simple: dict[tuple[str, str], dict[str, Any]] = {}
    compact: list[Tree] = []
    for part in parts:
        if "nonResourceURLs" in part or "resourceNames" in part:
            compact.append(part)
            continue
        key = (part["apiGroups"][0], part["resources"][0])
        if key in simple:
            simple[key]["verbs"] = [*simple[key]["verbs"], *part["verbs"]]
        else:
            simple[key] = dict(part)
    return "\n".join(sorted({_words(rule) for rule in [*compact, *simple.values()]}))


def _words(rule: Tree) -> str:
    parts = [f"{name}:{go_list(rule[field])}" for name, field in _FIELDS if rule.get(field)]
    return f"{{{', '.join(parts)}}}"


def go_list(values: Iterable[str]) -> str:
    """As Go prints a list of strings by %q."""
    return f"[{' '.join(map(go_quote, values))}]"
