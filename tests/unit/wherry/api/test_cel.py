"""CEL expressions: which can be meant, and how the others are refused."""

from __future__ import annotations

import pytest

from wherry.api.cel.check import complaint

VARIABLES = ("object", "oldObject", "request", "params", "variables", "authorizer")


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.replicas <= 5 // enough",
        "!has(object.spec.x) || object.spec.x.all(c, c.image.startsWith('a/'))",
        "has(object.metadata.labels) && 'a' in object.metadata.labels",
        "object.metadata.annotations[?'x'].orValue('') == ''",
        'request.userInfo.groups.exists(g, g == "system:masters")',
        "authorizer.group('').resource('pods').namespace('a').check('get').allowed()",
        "object.c.map(c, c.image).filter(i, i.matches(r'^a\\d')).size() == 0",
        "quantity('1').isGreaterThan(quantity('2'))",
        "sets.contains([1], [2,]) && size(object.x) > 0x1u",
        "cel.bind(x, 1, x + 1) == 2",
        "object.items.all(i, v, i < 3 && v.?a.hasValue())",
        "1 < 2 ? true : -1 < --2",
        "type(object) == string || string(1) == '1'",
        "{'a': 1}['a'] == 1 && b'x' == b\"y\" && 1.5e3 > .5",
        "object.spec.`x-y` == '''a\nb'''",
        " || ".join(["object.a"] * 3000),
    ],
)
def test_what_can_be_meant(expression: str) -> None:
    assert complaint(expression, VARIABLES, ("bool",)) == ""


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("Not Valid!", "1:5: Syntax error: mismatched input 'Valid' expecting <EOF>"),
        ("object.spec.", "1:13: Syntax error: mismatched input '<EOF>' expecting IDENTIFIER"),
        ("true ||\n (1", "2:4: Syntax error: mismatched input '<EOF>' expecting ')'"),
        ("object..x", "1:8: Syntax error: mismatched input '.' expecting IDENTIFIER"),
        ("object ? 1", "1:11: Syntax error: mismatched input '<EOF>' expecting ':'"),
        ("'a", "1:1: Syntax error: token recognition error at: '''"),
        ("if", "1:1: Syntax error: reserved identifier: if"),
        ("[1, 2", "1:6: Syntax error: mismatched input '<EOF>' expecting ','"),
        ("(" * 2000, "1:51: Syntax error: expression recursion limit exceeded"),
        ("foo.bar == 1", "1:1: undeclared reference to 'foo' (in container '')"),
        ("object.x.all(c, d == c)", "1:17: undeclared reference to 'd' (in container '')"),
    ],
    ids=lambda text: text[:20],
)
def test_what_cannot_be_compiled(expression: str, words: str) -> None:
    said = complaint(expression, VARIABLES)
    assert said.startswith(f"compilation failed: ERROR: <input>:{words}\n | ")
    assert said.endswith("^")


@pytest.mark.parametrize(
    ("expression", "wanted", "words"),
    [
        ("1", ("bool",), "must evaluate to bool"),
        ("object.a + 'b'", ("bool",), "must evaluate to bool"),
        ("[1]", ("string", "null_type"), "must evaluate to one of [string null_type]"),
        ("null", ("string", "null_type"), ""),
        ("object.a", ("bool",), ""),
        ("object.a ? 'b' : 'c'", ("string",), ""),
    ],
)
def test_what_gives_another_type(expression: str, wanted: tuple[str, ...], words: str) -> None:
    assert complaint(expression, VARIABLES, wanted) == words
