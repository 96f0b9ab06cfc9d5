"""How the default roles are written down: a role's name, then its rules, indented, one a line.

verbs | API groups | resources [| names]     a rule for resources; `core` is the group ""
verbs | paths                                a rule for paths that are no resources
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Tree = dict[str, Any]


def roles(text: str) -> Iterator[tuple[str, list[Tree]]]:
    """Each role's heading and its rules, in order. ValueError for a line that says nothing."""
    heading, rules = "", list[Tree]()
    for line in text.splitlines():
        if line.startswith(" "):
            rules.append(rule(line))
            continue
        if heading:
            yield heading, rules
        heading, rules = line, []
    yield heading, rules


def rule(line: str) -> Tree:
    """One line as a PolicyRule."""
    parts = [part.split() for part in line.split(" | ")]
    if len(parts) == 2:
        return {"verbs": parts[0], "nonResourceURLs": parts[1]}
    if len(parts) not in (3, 4):
        raise ValueError(f"not a rule: {line!r}")
    groups = ["" if group == "core" else group for group in parts[1]]
    made: Tree = {"verbs": parts[0], "apiGroups": groups, "resources": parts[2]}
    if len(parts) == 4:
        made["resourceNames"] = parts[3]
    return made
