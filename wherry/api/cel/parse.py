"""From the text of a CEL expression to its tree. Source: the grammar of cel-spec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from wherry.api.cel.tokens import CelError, Token, tokens_of

# Nobody writes deeper; each level takes nine frames of the stack.
DEPTH_MAX: Final = 50
_RESERVED: Final = frozenset(
    (
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
        "package", "namespace", "return", "var", "void", "while",
    )
)  # fmt: skip
_CONSTANTS: Final = {"true": "bool", "false": "bool", "null": "null_type"}
# Looser binding first.
_BINARY: Final = (
    ("||",), ("&&",), ("<", "<=", ">", ">=", "==", "!=", "in"), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip
RELATIONS: Final = frozenset(("||", "&&", *_BINARY[2]))


class Node(NamedTuple):
    """One part of an expression.

    kind:  literal (`name` is its type), name, select (`name` of `parts[0]`), call (`name` with `parts`,
           the first the receiver if `received`), operator, list, map, object (of type `name`)
    place: its first character
    """

    kind: str
    name: str
    place: int
    parts: tuple[Node, ...] = ()
    received: bool = False


class _Parser:
    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = list(tokens)
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        token = self._next
        return token.text in texts and token.kind in ("mark", "name")

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _accept(self, text: str) -> bool:
        if self._is(text):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._unexpected(f"'{text}'")

    def _unexpected(self, wanted: str) -> CelError:
        token = self._next
        words = f"Syntax error: mismatched input '{token.text}' expecting {wanted}"
        return CelError(words, token.place)

    def whole(self) -> Node:
        found = self._expression()
        if self._next.kind != "end":
            raise self._unexpected("<EOF>")
        return found

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise CelError("Syntax error: expression recursion limit exceeded", self._next.place)
        condition = self._binary(0)
        if self._accept("?"):
            first = self._binary(0)
            self._expect(":")
            parts = condition, first, self._expression()
            condition = Node("operator", "?:", condition.place, parts)
        self._depth -= 1
        return condition

    def _binary(self, level: int) -> Node:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while self._is(*_BINARY[level]):
            operator = self._take()
            parts = left, self._binary(level + 1)
            left = Node("operator", operator.text, operator.place, parts)
        return left

    def _unary(self) -> Node:
        signs: list[Token] = []
        while self._is("!", "-") and (not signs or self._is(signs[0].text)):
            signs.append(self._take())
        found = self._member()
        for sign in reversed(signs):
            found = Node("operator", f"{sign.text}_", sign.place, (found,))
        return found

    def _member(self) -> Node:
        found = self._primary()
        while True:
            if self._accept("."):
                self._accept("?")
                name = self._name()
                if self._accept("("):
                    parts = found, *self._list(")")
                    found = Node("call", name.text, name.place, parts, received=True)
                else:
                    found = Node("select", name.text, name.place, (found,))
            elif self._accept("["):
                self._accept("?")
                parts = found, self._expression()
                self._expect("]")
                found = Node("operator", "[]", found.place, parts)
            elif self._is("{") and (type_name := _type_name(found)):
                self._take()
                found = Node("object", type_name, found.place, self._entries(fields=True))
            else:
                return found

    def _primary(self) -> Node:
        token = self._next
        if token.kind in ("int", "uint", "double", "string", "bytes"):
            self._take()
            return Node("literal", token.kind, token.place)
        if token.kind == "name" and token.text in _CONSTANTS:
            self._take()
            return Node("literal", _CONSTANTS[token.text], token.place)
        if self._accept("("):
            found = self._expression()
            self._expect(")")
            return found
        if self._accept("["):
            return Node("list", "", token.place, self._list("]"))
        if self._accept("{"):
            return Node("map", "", token.place, self._entries(fields=False))
        self._accept(".")
        name = self._name()
        if name.text in _RESERVED:
            raise CelError(f"Syntax error: reserved identifier: {name.text}", name.place)
        if self._accept("("):
            return Node("call", name.text, name.place, self._list(")"))
        return Node("name", name.text, name.place)

    def _name(self) -> Token:
        token = self._next
        if token.kind != "name" or token.text == "in":
            raise self._unexpected("IDENTIFIER")
        return self._take()

    def _list(self, end: str) -> tuple[Node, ...]:
        """Expressions up to `end`; a list may have a comma more."""
        items: list[Node] = []
        while not self._accept(end):
            if items:
                self._expect(",")
                if end == "]" and self._accept(end):
                    break
            if end == "]":
                self._accept("?")
            items.append(self._expression())
        return tuple(items)

    def _entries(self, *, fields: bool) -> tuple[Node, ...]:
        """What stands between braces: values of fields, or keys and values."""
        items: list[Node] = []
        while not self._accept("}"):
            if items:
                self._expect(",")
                if self._accept("}"):
                    break
            self._accept("?")
            if fields:
                self._name()
            else:
                items.append(self._expression())
            self._expect(":")
            items.append(self._expression())
        return tuple(items)


def _type_name(node: Node) -> str:
    """The dotted name that a node is; empty when it is none."""
    if node.kind == "name":
        return node.name
    if node.kind == "select" and (before := _type_name(node.parts[0])):
        return f"{before}.{node.name}"
    return ""


def parse(expression: str) -> Node:
    """The expression's tree. CelError."""
    return _Parser(tokens_of(expression)).whole()
