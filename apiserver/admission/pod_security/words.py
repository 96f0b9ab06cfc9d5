"""What checks share: the containers of a pod, and the words of a violation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Tree = Mapping[str, Any]
_NOTHING: Tree = {}


class Violation(NamedTuple):
    """reason: in a few words, for lists of pods; detail: who does what, for one pod."""

    reason: str
    detail: str


# Of a pod's metadata and spec (or a template's).
Check = Callable[[Tree, Tree], Violation | None]


def containers(spec: Tree) -> Iterator[Tree]:
    """All, as upstream walks them."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def security(owner: Tree) -> Tree:
    """The security context of a container or pod."""
    return owner.get("securityContext") or _NOTHING


def is_windows(spec: Tree) -> bool:
    return (spec.get("os") or _NOTHING).get("name") == "windows"


def has_own_users(spec: Tree) -> bool:
    """Whether its root is not the node's: it runs in a user namespace."""
    return spec.get("hostUsers") is False


def quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def named(names: list[str]) -> str:
    """`container "a"`, `containers "a", "b"`"""
    return f"{plural('container', len(names))} {quoted(names)}"


def setters(pod: bool, names: list[str]) -> str:
    """`pod and containers "a", "b"`: who sets a field badly; "" when nobody does."""
    return " and ".join([*(["pod"] if pod else ()), *([named(names)] if names else ())])


def name_of(container: Tree) -> str:
    name: str = container.get("name", "")
    return name
