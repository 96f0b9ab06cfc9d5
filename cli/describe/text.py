"""Indented `Key:  value` text with aligned columns.

Lines are written with tabs; `aligned` widens each cell to its neighbours above and below, as Go's
text/tabwriter does, which is what gives kubectl's describe its shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from wherry.api.model import parse_time

Tree = dict[str, Any]

PADDING = 2
INDENT = "  "
NONE = "<none>"
# Annotations that repeat the whole object.
_LONG = ("kubectl.kubernetes.io/last-applied-configuration",)


class Page:
    """Collects lines; `level` is the indentation."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def line(self, level: int, *cells: object) -> None:
        self._lines.append(INDENT * level + "\t".join(str(cell) for cell in cells))

    def pairs(
        self, level: int, label: str, values: Mapping[str, str] | None, separator: str = "="
    ) -> None:
        """Labels or annotations under one heading, one a line."""
        shown = {key: value for key, value in (values or {}).items() if key not in _LONG}
        if not shown:
            self.line(level, f"{label}:", NONE)
            return
        for index, key in enumerate(sorted(shown)):
            first = INDENT * level + f"{label}:" if index == 0 else ""
            self._lines.append(f"{first}\t{key}{separator}{shown[key]}")

    def table(self, level: int, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.line(level, *head)
        self.line(level, *("-" * len(word) for word in head))
        for row in rows:
            self.line(level, *row)

    def text(self) -> str:
        return aligned(self._lines)


def aligned(lines: Sequence[str]) -> str:
    """Elastic tab stops: a column is as wide as its widest cell in a run of lines that have it."""
    cells = [line.split("\t") for line in lines]
    widths: list[list[int]] = [[] for _ in cells]
    _measure(cells, widths, 0, len(cells), 0)
    found = []
    for row, held in zip(cells, widths, strict=True):
        padded = [cell.ljust(width) for cell, width in zip(row, held, strict=False)]
        found.append("".join([*padded, row[-1]]).rstrip())
    return "\n".join(found)


def _measure(
    cells: list[list[str]], widths: list[list[int]], start: int, end: int, column: int
) -> None:
    row = start
    while row < end:
        last = row
        while last < end and column < len(cells[last]) - 1:
            last += 1
        if last == row:
            row += 1
            continue
        width = max(len(cells[one][column]) for one in range(row, last)) + PADDING
        for one in range(row, last):
            widths[one].append(width)
        _measure(cells, widths, row, last, column + 1)
        row = last


def moment(text: str | None) -> str:
    """A time as RFC 1123 with a numeric zone."""
    if not text:
        return NONE
    return parse_time(text).strftime("%a, %d %b %Y %H:%M:%S %z")


def seconds_since(text: str | None, now: datetime) -> float:
    return (now - parse_time(text)).total_seconds() if text else 0.0


def joined(values: Mapping[str, Any] | None, separator: str = ",") -> str:
    """Labels on one line."""
    if not values:
        return NONE
    return separator.join(f"{key}={values[key]}" for key in sorted(values))


def controller(tree: Tree) -> str:
    """`ReplicaSet/web-5d4` of an object that has a controller."""
    for owner in tree["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return f"{owner['kind']}/{owner['name']}"
    return ""


def conditions(page: Page, tree: Tree) -> None:
    """Type, status and reason of an object's conditions."""
    held = tree.get("status", {}).get("conditions") or ()
    if held:
        page.line(0, "Conditions:")
        rows = [[one["type"], one["status"], one.get("reason", "")] for one in held]
        page.table(1, ["Type", "Status", "Reason"], rows)
