"""Which rights cover which, and how missing ones are told."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.authz.covering import covers, missing, told
from apiserver.authz.rules import compile_rules
from tests.unit.apiserver.authz.policies import paths, rule

ALL = rule("*", "*", "*")


@pytest.mark.parametrize(
    ("owned", "asked", "want"),
    [
        ([rule("get list", "core", "pods")], rule("get", "core", "pods"), True),
        ([rule("get", "core", "pods")], rule("get list", "core", "pods"), False),
        ([rule("get", "core", "pods"), rule("list", "core", "pods")],
         rule("get list", "core", "pods"), True),
        ([rule("*", "core", "pods")], rule("get", "core", "pods"), True),
        ([rule("get", "core", "pods")], rule("*", "core", "pods"), False),
        ([ALL], rule("*", "*", "*"), True),
        ([ALL], paths("get", "/x"), False),
        ([rule("get", "*", "pods")], rule("get", "apps", "pods"), True),
        ([rule("get", "core", "*")], rule("get", "core", "pods/log"), True),
        ([rule("get", "core", "*/log")], rule("get", "core", "pods/log"), True),
        ([rule("get", "core", "*/log")], rule("get", "core", "pods"), False),
        ([rule("get", "core", "*/log")], rule("get", "core", "*/log"), True),
        ([rule("get", "core", "pods/*")], rule("get", "core", "pods/log"), False),
        ([rule("get", "core", "pods", "a")], rule("get", "core", "pods"), False),
        ([rule("get", "core", "pods", "a")], rule("get", "core", "pods", "a"), True),
        ([rule("get", "core", "pods", "a")], rule("get", "core", "pods", "a b"), False),
        ([rule("get", "core", "pods")], rule("get", "core", "pods", "a b"), True),
        ([paths("get", "/a/*")], paths("get", "/a/b"), True),
        ([paths("get", "/a/*")], paths("get", "/a/*"), True),
        ([paths("get", "/a/*")], paths("get", "/*"), False),
        ([paths("*", "*")], paths("get post", "/x /y/*"), True),
        ([], rule("get", "core", "pods"), False),
        ([], rule("", "core", "pods"), True),
    ],
)  # fmt: skip
def test_covering(owned: list[Any], asked: Any, want: bool) -> None:
    assert covers(owned, [asked]) is want


def test_what_is_missing_is_told_as_upstream_tells_it() -> None:
    asked = [
        rule("get update", "core apps", "pods"),
        rule("get", "core", "secrets", "a"),
        paths("get post", "/x"),
    ]
    parts = missing(compile_rules([rule("get", "apps", "pods")]), asked)
    assert told(parts).splitlines() == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "update"]}',
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get"]}',
        '{APIGroups:["apps"], Resources:["pods"], Verbs:["update"]}',
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
        '{NonResourceURLs:["/x"], Verbs:["post"]}',
    ]
