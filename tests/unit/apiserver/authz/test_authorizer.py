"""Modes, and the words of a refusal."""

from __future__ import annotations

import pytest

from apiserver.authz.authorizer import (
    AlwaysAllow,
    Attributes,
    Decision,
    Rules,
    Union,
    attributes_of,
    authorizer,
    denied,
)
from apiserver.request import RequestInfo, User
from wherry.api.scheme import BY_PLURAL

JANE = User("jane")


class Never:
    def authorize(self, attributes: Attributes) -> Decision:
        return Decision(False, "never")

    def rules(self, user: User, namespace: str) -> Rules:
        return Rules(incomplete=True)


def test_always_allow() -> None:
    assert authorizer(["AlwaysAllow"]).authorize(Attributes(JANE, "get")).allowed


@pytest.mark.parametrize("modes", [["RBAC"], ["AlwaysAllow", "Nope"], []])
def test_unknown_modes_are_refused(modes: list[str]) -> None:
    with pytest.raises(ValueError, match="authorization mode"):
        authorizer(modes)


def test_the_first_that_allows_allows() -> None:
    asked = Attributes(JANE, "get")
    assert Union([Never(), AlwaysAllow()]).authorize(asked).allowed
    assert Union([Never(), Never()]).authorize(asked) == Decision(False, "never, never")


@pytest.mark.parametrize(
    ("info", "want"),
    [
        (
            RequestInfo("get", "/x", BY_PLURAL["", "v1", "pods"], "ns", "p", "log"),
            'pods "p" is forbidden: User "jane" cannot get resource "pods/log" in API group "" '
            'in the namespace "ns"',
        ),
        (
            RequestInfo("list", "/x", BY_PLURAL["apps", "v1", "deployments"]),
            'deployments.apps is forbidden: User "jane" cannot list resource "deployments" '
            'in API group "apps" at the cluster scope',
        ),
        (
            RequestInfo("get", "/metrics"),
            'forbidden: User "jane" cannot get path "/metrics"',
        ),
    ],
    ids=["object", "collection", "path"],
)
def test_refusals_are_worded_as_upstream(info: RequestInfo, want: str) -> None:
    error = denied(attributes_of(info, JANE), "")
    assert (error.code, error.message) == (403, want)
    assert denied(attributes_of(info, JANE), "why").message == f"{want}: why"


def test_who_may_do_everything_is_told_so() -> None:
    rules = Union([Never(), AlwaysAllow()]).rules(JANE, "ns")
    assert rules.resource_rules == ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},)
    assert rules.non_resource_rules == ({"verbs": ["*"], "nonResourceURLs": ["*"]},)
    assert rules.incomplete
