"""The words of a CEL expression. Source: the language definition of cel-spec, "Syntax"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

END: Final = "<EOF>"
_STRING: Final = "|".join(
    (
        r'"""(?:[^\\]|\\.)*?"""',
        r"'''(?:[^\\]|\\.)*?'''",
        r'"(?:[^"\\\n\r]|\\.)*"',
        r"'(?:[^'\\\n\r]|\\.)*'",
    )
)
_RAW: Final = r'[rR](?:"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"[^"\n\r]*"|\'[^\'\n\r]*\')'
_TOKEN: Final = re.compile(
    rf"""(?P<space>(?:\s|//[^\n]*)+)
    |(?P<bytes>[bB](?:{_RAW}|{_STRING})|[rR][bB](?:{_STRING}))
    |(?P<string>{_RAW}|{_STRING})
    |(?P<double>\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<uint>(?:0x[0-9a-fA-F]+|\d+)[uU])
    |(?P<int>0x[0-9a-fA-F]+|\d+)
    |(?P<name>[A-Za-z_]\w*|`[\w./ -]+`)
    |(?P<mark>\|\||&&|==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{{}}])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)


class CelError(ValueError):
    """What is wrong with an expression, and at which character."""

    def __init__(self, words: str, place: int) -> None:
        super().__init__(words)
        self.words = words
        self.place = place


class Token(NamedTuple):
    """kind: a literal's type, `name`, `mark` or `end`."""

    kind: str
    text: str
    place: int


def tokens_of(expression: str) -> Iterator[Token]:
    """All tokens and one end. CelError at a character that begins none."""
    place = 0
    while place < len(expression):
        found = _TOKEN.match(expression, place)
        if found is None or found.lastgroup is None:
            shown = expression[place]
            words = f"Syntax error: token recognition error at: '{shown}'"
            raise CelError(words, place)
        if found.lastgroup != "space":
            yield Token(found.lastgroup, found[0], place)
        place = found.end()
    yield Token("end", END, place)
