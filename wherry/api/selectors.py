"""Label selectors: parse, match, print. (Field selectors come along from `field_selectors`.)

One form for both sources of a label selector: the query parameter's text and the `LabelSelector` of
an object. An absent LabelSelector matches nothing, an empty one everything; that choice is made here.

Source: k8s.io/apimachinery/pkg/labels and metav1.LabelSelectorAsSelector.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from wherry.api import names
from wherry.api.errors import go_quote
from wherry.api.field_selectors import FieldSelectorExpr, FieldTerm, parse_field_selector
from wherry.api.meta_v1.meta import LabelSelector

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "FieldSelectorExpr",
    "FieldTerm",
    "LabelSelectorExpr",
    "Requirement",
    "format_labels",
    "label_selector",
    "match_labels",
    "parse_field_selector",
    "parse_label_selector",
]

Operator = Literal["=", "==", "!=", "in", "notin", "exists", "!", ">", "<"]

_SYMBOLS: Final = ("==", "!=", "=", "!", "(", ")", ",", ">", "<")
_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),><]|[^ \t\r\n=!(),><]+)")
_INT64 = re.compile(r"[+-]?[0-9]+")


def format_labels(labels: Mapping[str, str]) -> str:
    """`a=1,b=2`, sorted: a selector text that matches exactly these, and how tables show labels."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on labels. `values` are sorted and without duplicates."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return found is not None and found in self.values
            case "!=" | "notin":
                return found is None or found not in self.values
            case "exists":
                return found is not None
            case "!":
                return found is None
            case ">":
                return found is not None and _is_int(found) and int(found) > int(self.values[0])
            case "<":
                return found is not None and _is_int(found) and int(found) < int(self.values[0])

    def __str__(self) -> str:
        values = ",".join(self.values)
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
            case _:
                return f"{self.key}{self.operator}{values}"


@dataclass(frozen=True, slots=True)
class LabelSelectorExpr:
    """All of its requirements must hold; without any it matches everything, unless `nothing`."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.nothing:
            return False
        return all(one.matches(labels or {}) for one in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING: Final = LabelSelectorExpr()
NOTHING: Final = LabelSelectorExpr(nothing=True)


def _is_int(text: str) -> bool:
    return _INT64.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def _requirement(key: str, operator: Operator, values: Sequence[str]) -> Requirement:
    """A checked requirement; ValueError in upstream's words."""
    _check_key(key)
    if operator in (">", "<") and not _is_int(values[0]):
        raise ValueError(
            f'values[0]: Invalid value: {go_quote(values[0])}: for "Gt", "Lt" operators, the value must be an integer'
        )
    unique = tuple(sorted(set(values)))
    for index, value in enumerate(unique):
        if errors := names.label_value(value):
            raise ValueError(
                f"values[{index}][{key}]: Invalid value: {go_quote(value)}: {'; '.join(errors)}"
            )
    return Requirement(key, operator, unique)


def _check_key(key: str) -> None:
    if errors := names.label_key(key):
        # the field's path is empty, and that is how upstream prints an empty path
        raise ValueError(f"<nil>: Invalid value: {go_quote(key)}: {'; '.join(errors)}")


class _Parser:
    """Recursive descent over tokens; its messages are upstream's."""

    def __init__(self, text: str) -> None:
        self.tokens = [match[1] for match in _TOKEN.finditer(text)]
        self.position = 0

    def peek(self) -> str:
        """The next token, "" at the end."""
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.position += 1
        return token

    def selector(self) -> list[Requirement]:
        found: list[Requirement] = []
        while token := self.peek():
            if not _is_word(token) and token != "!":
                raise ValueError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self.requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            separator = self.take()
            if not separator:
                break
            if separator != ",":
                raise ValueError(f"found '{separator}', expected: ',' or 'end of string'")
            following = self.peek()
            if not _is_word(following) and following != "!":
                raise ValueError(f"found '{following}', expected: identifier after ','")
        return found

    def requirement(self) -> Requirement:
        key = self.take()
        absent = key == "!"
        if absent:
            key = self.take()
        if not _is_word(key):
            raise ValueError(f"found '{key}', expected: identifier")
        _check_key(key)
        if self.peek() in ("", ","):
            return _requirement(key, "!" if absent else "exists", ())
        operator = self.take()
        match operator:
            case "in" | "notin":
                return _requirement(key, operator, self.values())
            case "=" | "==" | "!=" | ">" | "<":
                return _requirement(key, operator, [self.exact_value()])
            case _:
                raise ValueError(f"found '{operator}', expected: {', '.join(_OPERATOR_WORDS)}")

    def exact_value(self) -> str:
        if self.peek() in ("", ","):
            return ""
        value = self.take()
        if not _is_word(value):
            raise ValueError(f"found '{value}', expected: identifier")
        return value

    def values(self) -> list[str]:
        """What stands between parentheses: words and commas; nothing between two counts as ""."""
        if (token := self.take()) != "(":
            raise ValueError(f"found '{token}' expected: '('")
        found: list[str] = []
        expecting = True  # a value may come next; if it does not, it is the empty one
        while (token := self.take()) != ")":
            if token == ",":
                if expecting:
                    found.append("")
                expecting = True
            elif _is_word(token) and expecting:
                found.append(token)
                expecting = False
            else:
                raise ValueError(f"found '{token}', expected: ',' or ')'")
        return [*found, ""] if expecting else found


_OPERATOR_WORDS: Final = ("in", "notin", "=", "==", "!=", "gt", "lt")


def _is_word(token: str) -> bool:
    return bool(token) and token not in _SYMBOLS


def parse_label_selector(text: str) -> LabelSelectorExpr:
    """The `labelSelector` parameter; ValueError in upstream's words."""
    found = _Parser(text).selector()
    return LabelSelectorExpr(tuple(sorted(found, key=lambda one: one.key)))


_OF_OBJECTS: Final[Mapping[str, Operator]] = {
    "In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!",
}  # fmt: skip


def label_selector(selector: LabelSelector | Mapping[str, Any] | None) -> LabelSelectorExpr:
    """An object's LabelSelector, as model or tree. None matches nothing; ValueError when malformed."""
    if selector is None:
        return NOTHING
    tree = selector.to_wire() if isinstance(selector, LabelSelector) else selector
    found = [
        _requirement(key, "=", [value]) for key, value in (tree.get("matchLabels") or {}).items()
    ]
    for expression in tree.get("matchExpressions") or ():
        operator = _OF_OBJECTS.get(expression["operator"])
        if operator is None:
            raise ValueError(
                f"{go_quote(expression['operator'])} is not a valid label selector operator"
            )
        values = expression.get("values") or []
        if bool(values) != (operator in ("in", "notin")):
            raise ValueError(
                "values: Invalid value: "
                + (
                    "[]: for 'in', 'notin' operators, values set can't be empty"
                    if not values
                    else f"{go_quote(values)}: values set must be empty for exists and does not exist"
                )
            )
        found.append(_requirement(expression["key"], operator, values))
    return LabelSelectorExpr(tuple(sorted(found, key=lambda one: one.key)))


def match_labels(labels: Mapping[str, str]) -> LabelSelectorExpr:
    """The selector of exactly these pairs, as a Service has it (unchecked; empty = everything)."""
    return LabelSelectorExpr(
        tuple(Requirement(key, "=", (value,)) for key, value in sorted(labels.items()))
    )
