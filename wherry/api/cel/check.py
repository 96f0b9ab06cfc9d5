"""Whether a CEL expression can be meant: it parses, names what there is, gives what is wanted.

What the fields of objects are is not known here, so types are told only where the expression itself
shows them. Source: k8s.io/apiserver/pkg/cel, pkg/admission/plugin/cel/compile.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from wherry.api.cel.parse import RELATIONS, Node, parse
from wherry.api.cel.tokens import CelError

_TYPES: Final = frozenset(
    ("bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint")
)
# Macros and how many of their first arguments are names of variables, by the count of all.
_MACROS: Final = {
    "all": {2: 1, 3: 2}, "exists": {2: 1, 3: 2}, "exists_one": {2: 1, 3: 2}, "existsOne": {2: 1, 3: 2},
    "filter": {2: 1}, "map": {2: 1, 3: 1}, "sortBy": {2: 1}, "optMap": {2: 1}, "optFlatMap": {2: 1},
    "transformList": {3: 2, 4: 2}, "transformMap": {3: 2, 4: 2}, "transformMapEntry": {3: 2, 4: 2},
    "bind": {3: 1},
}  # fmt: skip
_ANSWERS_BOOL: Final = frozenset(("has", "all", "exists", "exists_one", "existsOne"))


def complaint(expression: str, variables: Collection[str], wanted: Collection[str] = ()) -> str:
    """Why the expression cannot be compiled, as upstream words it; empty when nothing is wrong.

    variables: the names it may use
    wanted:    the types it may give; any when empty
    """
    try:
        tree = parse(expression)
        strays = {node.place: node for node in _strays(tree, {*variables, *_TYPES})}
        for place in sorted(strays):
            words = f"undeclared reference to '{strays[place].name}' (in container '')"
            raise CelError(words, place)
    except CelError as error:
        return f"compilation failed: {_placed(expression, error)}"
    given = _type(tree)
    if not wanted or not given or given in wanted:
        return ""
    if len(wanted) == 1:
        return f"must evaluate to {next(iter(wanted))}"
    return f"must evaluate to one of [{' '.join(wanted)}]"


def _placed(expression: str, error: CelError) -> str:
    """The error as cel-go prints it: with the line it is in and a pointer."""
    before = expression[: error.place]
    line, column = before.count("\n"), error.place - (before.rfind("\n") + 1)
    text = expression.split("\n")[line]
    return f"ERROR: <input>:{line + 1}:{column + 1}: {error.words}\n | {text}\n | {'.' * column}^"


def _strays(tree: Node, variables: set[str]) -> Iterator[Node]:
    """Names that nothing has. What a function is called on may be a library's name."""
    waiting = [(tree, variables)]
    while waiting:
        node, known = waiting.pop()
        if node.kind == "name" and node.name not in known:
            yield node
        parts = node.parts
        if node.received:
            receiver, arguments = parts[0], parts[1:]
            if receiver.kind != "name":
                waiting.append((receiver, known))
            count = _MACROS.get(node.name, {}).get(len(arguments), 0)
            bound, parts = arguments[:count], arguments[count:]
            known = known | {one.name for one in bound}
        waiting += [(part, known) for part in parts]


def _type(node: Node) -> str:
    """The type that the expression shows by itself; empty when it takes more to know."""
    if node.kind == "literal":
        return node.name
    if node.kind in ("list", "map"):
        return node.kind
    if node.kind == "call" and node.name in _ANSWERS_BOOL:
        return "bool"
    if node.kind != "operator":
        return ""
    if node.name in RELATIONS or node.name == "!_":
        return "bool"
    # Both sides of what is left are of one type; a chain's right side is never a chain.
    return "" if node.name == "[]" else _type(node.parts[-1])
