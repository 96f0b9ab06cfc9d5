"""Access reviews: their shape and what they ask the authorizer."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.authz.authorizer import Attributes
from apiserver.codec.canonical import canonical
from apiserver.request import User
from apiserver.subresources.review_selectors import Asked, asked_selectors
from apiserver.subresources.reviews import (
    access_errors,
    asked_attributes,
    asked_user,
    local_errors,
    user_info,
)
from wherry.api.authorization_v1 import LocalSubjectAccessReview, SubjectAccessReview
from wherry.api.field_selectors import FieldTerm
from wherry.api.model import TypedModel

RESOURCE = {"namespace": "ns", "verb": "get", "group": "apps", "resource": "deployments"}
PATH = {"path": "/metrics", "verb": "get"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"resourceAttributes": RESOURCE}, None),
        ({"nonResourceAttributes": PATH}, None),
        ({}, "spec.resourceAttributes"),
        (
            {"resourceAttributes": RESOURCE, "nonResourceAttributes": PATH},
            "spec.nonResourceAttributes",
        ),
    ],
    ids=["resource", "path", "neither", "both"],
)
def test_exactly_one_question(spec: dict[str, Any], field: str | None) -> None:
    assert [error.field for error in access_errors(spec)] == ([field] if field else [])


def test_attributes() -> None:
    user = User("u")
    assert asked_attributes({"resourceAttributes": RESOURCE}, user, Asked()) == Attributes(
        user, "get", namespace="ns", group="apps", version="*", resource="deployments"
    )
    assert asked_attributes({"nonResourceAttributes": PATH}, user, Asked()) == Attributes(
        user, "get", path="/metrics"
    )


def test_user_info_leaves_out_what_is_empty() -> None:
    assert user_info(User("u")) == {"username": "u"}
    full = User("u", "1", ("g",), {"k": ("v",)})
    assert user_info(full) == {"username": "u", "uid": "1", "groups": ["g"], "extra": {"k": ["v"]}}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"metadata": {"namespace": "ns", "name": "x"}}, ["metadata"]),
        ({"metadata": {"namespace": "other"}}, ["spec.resourceAttributes.namespace"]),
        ({"spec": {"user": "u", "nonResourceAttributes": PATH}}, ["spec.nonResourceAttributes"]),
        ({"spec": {"resourceAttributes": RESOURCE}}, ["spec.user"]),
    ],
    ids=["good", "named", "elsewhere", "path", "nobody"],
)
def test_a_local_question_is_about_its_namespace(
    changes: dict[str, Any], fields: list[str]
) -> None:
    review = {
        "metadata": {"namespace": "ns"},
        "spec": {"user": "u", "resourceAttributes": RESOURCE},
        **changes,
    }
    assert [error.field for error in local_errors(review)] == fields


def test_the_user_a_review_asks_about() -> None:
    spec = {"user": "u", "uid": "1", "groups": ["g"], "extra": {"k": ["v"]}}
    assert asked_user(spec) == User("u", "1", ("g",), {"k": ("v",)})


@pytest.mark.parametrize("kind", [SubjectAccessReview, LocalSubjectAccessReview])
def test_an_extra_without_values(kind: type[TypedModel]) -> None:
    """As the decoder leaves it: an empty list in a map and null are the same."""
    extra = {"empty": [], "null": None, "one": ["v"], "odd": [None]}
    spec = canonical(kind, {"spec": {"user": "u", "extra": extra}})["spec"]
    assert asked_user(spec).extra == {"empty": (), "null": (), "one": ("v",), "odd": ("",)}


@pytest.mark.parametrize(
    ("selector", "fields"),
    [
        ({"rawSelector": "spec.nodeName=n"}, []),
        ({"requirements": [{"key": "k", "operator": "In", "values": ["v"]}]}, []),
        ({"requirements": [{"key": "k", "operator": "New", "values": ["v"]}]}, []),
        ({}, ["requirements"]),
        ({"rawSelector": "a=b", "requirements": [{"key": "k"}]}, ["rawSelector"]),
        ({"requirements": [{"operator": "Exists"}]}, ["requirements[0].key"]),
        ({"requirements": [{"key": "k", "operator": "In"}]}, ["requirements[0].values"]),
        (
            {"requirements": [{"key": "k", "operator": "Exists", "values": ["v"]}]},
            ["requirements[0].values"],
        ),
    ],
)
def test_selectors_of_a_question(selector: dict[str, Any], fields: list[str]) -> None:
    spec = {"resourceAttributes": {**RESOURCE, "fieldSelector": selector}}
    path = "spec.resourceAttributes.fieldSelector."
    assert [error.field for error in access_errors(spec)] == [path + field for field in fields]


def test_the_fields_a_question_is_limited_to() -> None:
    requirements = [
        {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
        {"key": "a", "operator": "NotIn", "values": ["b"]},
        {"key": "c", "operator": "In", "values": ["d", "e"]},
    ]
    for selector, want, ignored in (
        ({"rawSelector": "spec.nodeName=n"}, (FieldTerm("spec.nodeName", True, "n"),), ""),
        (
            {"requirements": requirements},
            (FieldTerm("spec.nodeName", True, "n"), FieldTerm("a", False, "b")),
            "partially ignored",
        ),
        ({"rawSelector": "nonsense"}, (), "ignored"),
    ):
        found = asked_selectors({**RESOURCE, "fieldSelector": selector})
        words = f"spec.resourceAttributes.fieldSelector {ignored} due to parse error"
        assert found == Asked(want, ignored=(words,) if ignored else ())
        spec = {"resourceAttributes": RESOURCE}
        assert asked_attributes(spec, User("u"), found).fields == want


@pytest.mark.parametrize(
    ("selector", "text", "ignored"),
    [
        ({"rawSelector": "b!=1, a in (y,x)"}, "a in (x,y),b!=1", ""),
        ({"rawSelector": "a in ("}, "", "ignored"),
        ({"requirements": [{"key": "a", "operator": "In", "values": ["x"]}, {"key": "b", "operator": "DoesNotExist"}]}, "a in (x),!b", ""),
        ({"requirements": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "New"}]}, "a", "partially ignored"),
        ({"requirements": [{"key": "a"}]}, "", "ignored"),
    ],
)  # fmt: skip
def test_labels_an_authorizer_can_use(selector: dict[str, Any], text: str, ignored: str) -> None:
    found = asked_selectors({**RESOURCE, "labelSelector": selector})
    words = f"spec.resourceAttributes.labelSelector {ignored} due to parse error"
    assert found == Asked((), text, (words,) if ignored else ())
