"""Field selectors: `status.phase=Running,spec.nodeName!=n1`.

Which fields a kind can be selected by is said by its `Resource`; here any name will do.
Source: k8s.io/apimachinery/pkg/fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldTerm:
    field: str
    equal: bool
    value: str

    def __str__(self) -> str:
        escaped = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelectorExpr:
    """All terms must hold. A field that is not there is the empty text."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all((fields.get(t.field, "") == t.value) == t.equal for t in self.terms)

    def exact(self, field: str) -> str | None:
        """The one value this field must have, if the selector says so."""
        return next((t.value for t in self.terms if t.field == field and t.equal), None)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(term.field for term in self.terms)

    @property
    def empty(self) -> bool:
        return not self.terms

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))


_FIELD_TERM = re.compile(r"([^=!]*(?:![^=][^=!]*)*)(!=|==|=)(.*)", re.DOTALL)


def parse_field_selector(text: str) -> FieldSelectorExpr:
    r"""The `fieldSelector` parameter; `\` escapes `,`, `=` and itself. ValueError as upstream."""
    terms = []
    for part in sorted(re.findall(r"((?:\\.|[^,\\])+\\?)", text, re.DOTALL)):
        match = _FIELD_TERM.fullmatch(part)
        if match is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append(FieldTerm(match[1], match[2] != "!=", _unescape(match[3])))
    return FieldSelectorExpr(tuple(terms))


def _unescape(value: str) -> str:
    result, position = [], 0
    while position < len(value):
        char = value[position]
        if char == "\\":
            position += 1
            char = value[position : position + 1]
            if char not in ("\\", ",", "=") or not char:
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{char}")
        elif char in (",", "="):
            raise ValueError(f"invalid field selector: unescaped character in value: {char}")
        result.append(char)
        position += 1
    return "".join(result)
