"""The server's Tables as aligned text. Pure.

The server decides columns and cells; here they are only lined up as kubectl lines them up: columns
at least 6 wide, three spaces apart, the last one unpadded.

Source: k8s.io/cli-runtime/pkg/printers/tableprinter.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH_MIN = 6
PADDING = 3


def align(rows: Iterable[Sequence[str]], widths: list[int] | None = None) -> list[str]:
    """Lines with all columns aligned. `widths` is read and grown, so that later rows fit earlier ones."""
    held = list(rows)
    widths = [] if widths is None else widths
    for row in held:
        for index, cell in enumerate(row[:-1]):
            if index == len(widths):
                widths.append(WIDTH_MIN)
            widths[index] = max(widths[index], len(cell) + PADDING)
    return [
        "".join([*(cell.ljust(widths[i]) for i, cell in enumerate(row[:-1])), *row[-1:]]).rstrip()
        if row
        else ""
        for row in held
    ]


def cell_text(value: Any) -> str:
    """One cell on one line."""
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    first, newline, _ = text.partition("\n")
    return first + "..." if newline else text


@dataclass
class TableText:
    """Turns a resource's Tables (a list's, then a watch's) into lines."""

    wide: bool = False
    with_namespace: bool = False
    with_kind: str = ""  # prefix of names, as `pod`
    with_labels: bool = False
    headers: bool = True
    _columns: list[dict[str, Any]] = field(default_factory=list)
    _widths: list[int] = field(default_factory=list)

    def lines(self, table: dict[str, Any]) -> list[str]:
        """The lines of one Table; the head only once."""
        rows = []
        if table.get("columnDefinitions"):
            if self.headers and not self._columns:
                self._columns = table["columnDefinitions"]
                rows.append(self._head())
            self._columns = table["columnDefinitions"]
        rows += [self._row(row) for row in table.get("rows", ())]
        return align(rows, self._widths)

    def _shown(self) -> list[int]:
        return [
            index
            for index, column in enumerate(self._columns)
            if self.wide or not column.get("priority")
        ]

    def _head(self) -> list[str]:
        names = [str(self._columns[index]["name"]).upper() for index in self._shown()]
        first = ["NAMESPACE"] if self.with_namespace else []
        return [*first, *names, *(["LABELS"] if self.with_labels else [])]

    def _row(self, row: dict[str, Any]) -> list[str]:
        meta = row.get("object", {}).get("metadata", {})
        cells = [cell_text(row["cells"][index]) for index in self._shown()]
        if self.with_kind and cells:
            cells[0] = f"{self.with_kind}/{cells[0]}"
        first = [meta.get("namespace", "")] if self.with_namespace else []
        labels = meta.get("labels") or {}
        text = ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>"
        return [*first, *cells, *([text] if self.with_labels else [])]
