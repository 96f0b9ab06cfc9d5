"""Selectors: what matches, what is refused and how."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api.meta_v1 import LabelSelector, LabelSelectorRequirement
from wherry.api.selectors import (
    FieldSelectorExpr,
    FieldTerm,
    format_labels,
    label_selector,
    match_labels,
    parse_field_selector,
    parse_label_selector,
)

LABELS = {"app": "web", "tier": "front", "n": "7", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("app=web", True), ("app==web", True), ("app = web", True), ("app=db", False),
        ("app!=db", True), ("app!=web", False), ("nope!=x", True), ("app", True), ("nope", False),
        ("!nope", True), ("!app", False), ("app in (web,db)", True), ("app in (db)", False),
        ("app notin (db)", True), ("nope notin (db)", True), ("n>6", True), ("n>7", False),
        ("n<8", True), ("app>1", False), ("empty=", True), ("empty", True), ("empty in ()", True),
        ("app in (,web)", True), ("app=web,tier=front", True), ("app=web,tier=back", False),
        ("in in (in)", False), ("app in (in, web)", True), ("example.com/x!=y", True),
    ],
)  # fmt: skip
def test_label_selectors_match(text: str, matches: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("n>x", 'for "Gt", "Lt" operators, the value must be an integer'),
        ("-a=b", "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist"),
        ("a=-b", 'values[0][a]: Invalid value: "-b": a valid label must be an empty string'),
        ("a in (b", "found '', expected: ',' or ')'"),
    ],
)  # fmt: skip
def test_malformed_label_selectors(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the message is compared below
        parse_label_selector(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("b=1,a==2", "a==2,b=1"),
        ("x notin (b,a)", "x notin (a,b)"),
        ("!y,x", "x,!y"),
        ("n>1", "n>1"),
    ],
)
def test_label_selectors_print(text: str, printed: str) -> None:
    assert str(parse_label_selector(text)) == printed


def test_selectors_of_objects() -> None:
    model = LabelSelector(
        match_labels={"app": "web"},
        match_expressions=[LabelSelectorRequirement(key="tier", operator="In", values=["front"])],
    )
    for form in (model, model.to_wire()):
        assert label_selector(form).matches(LABELS)
        assert not label_selector(form).matches({"app": "web"})
    assert str(label_selector(model)) == "app=web,tier in (front)"
    assert not label_selector(None).matches(LABELS)
    assert label_selector({}).matches({})


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Foo"},
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["x"]},
        {"key": "-a", "operator": "Exists"},
    ],
    ids=str,
)
def test_malformed_selectors_of_objects(expression) -> None:
    with pytest.raises(ValueError, match=r"selector operator|values set|Invalid value"):
        label_selector({"matchExpressions": [expression]})


names = st.from_regex(r"[a-z]([a-z0-9._-]{0,8}[a-z0-9])?", fullmatch=True)


@given(st.dictionaries(names, names, max_size=4))
def test_labels_select_themselves(labels: dict[str, str]) -> None:
    assert match_labels(labels).matches(labels)
    assert parse_label_selector(format_labels(labels)) == match_labels(labels)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("status.phase=Running", True), ("status.phase!=Running", False),
        ("status.phase==Running,spec.nodeName=", True), ("spec.nodeName!=", False),
        ("metadata.name=a,metadata.name!=b", False),
    ],
)  # fmt: skip
def test_field_selectors_match(text: str, matches: bool) -> None:
    assert parse_field_selector(text).matches({"status.phase": "Running"}) is matches


def test_field_selectors_tell_what_is_fixed() -> None:
    selector = parse_field_selector("spec.nodeName=n1,metadata.name!=x")
    assert selector.exact("spec.nodeName") == "n1"
    assert selector.exact("metadata.name") is None
    assert set(selector.fields) == {"spec.nodeName", "metadata.name"}


@pytest.mark.parametrize("text", ["a", "a,b=c", "a=b=c", "a=\\x", "a=b\\"])
def test_malformed_field_selectors(text: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        parse_field_selector(text)


@given(st.text(max_size=10), st.booleans())
def test_field_values_survive_printing(value: str, equal: bool) -> None:
    selector = FieldSelectorExpr((FieldTerm("metadata.name", equal, value),))
    assert parse_field_selector(str(selector)) == selector
