"""Modes, and the words of a refusal."""

from __future__ import annotations

import pytest

from apiserver.authz.authorizer import (
    MASTERS,
    AlwaysAllow,
    AlwaysDeny,
    Attributes,
    Authorizer,
    Decision,
    Rules,
    Union,
    aggregate,
    attributes_of,
    denied,
    refusal,
)
from apiserver.authz.modes import Makers, of_modes
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.rbac import Policy
from apiserver.authz.webhook import WebhookAuthorizer, WebhookConfig
from apiserver.request import RequestInfo, User
from apiserver.storage.cache import no_fields
from apiserver.storage.window import ResourceWindow
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL

JANE = User("jane")


class Never:
    def authorize(self, attributes: Attributes) -> Decision:
        return Decision(False, "never")

    def rules(self, user: User, namespace: str) -> Rules:
        return Rules(incomplete=True)


def no_policy() -> Policy:
    return Policy(lambda resource: ResourceWindow(resource, no_fields))


def no_nodes() -> NodeAuthorizer:
    raise AssertionError("the mode Node is not asked for")


def no_webhook(config: WebhookConfig) -> WebhookAuthorizer:
    raise AssertionError("the mode Webhook is not asked for")


def of(*modes: str) -> Authorizer:
    return Makers(no_policy(), no_nodes, no_webhook, lambda: True).all(of_modes(modes, None))


def test_always_allow_and_always_deny() -> None:
    asked = Attributes(JANE, "get")
    assert of("AlwaysAllow").authorize(asked).allowed
    assert of("AlwaysDeny").authorize(asked) == Decision(False, "Everything is forbidden.")
    # Wherever it stands it decides, so that the gate knows that nobody may be anonymous.
    assert isinstance(of("RBAC", "AlwaysAllow"), AlwaysAllow)
    assert AlwaysDeny().rules(JANE, "ns") == Rules()


@pytest.mark.parametrize(
    "modes", [["Nope"], ["AlwaysAllow", "Nope"], ["RBAC", "RBAC"], ["Webhook"], []]
)
def test_modes_that_make_no_sense_are_refused(modes: list[str]) -> None:
    with pytest.raises(ValueError, match="authorization mode"):
        of_modes(modes, None)


def test_the_first_that_allows_allows() -> None:
    asked = Attributes(JANE, "get")
    assert Union([Never(), AlwaysAllow()]).authorize(asked).allowed
    assert Union([Never(), Never()]).authorize(asked) == Decision(False, "never\nnever")


def test_masters_may_do_everything_whatever_the_modes() -> None:
    root = User("root", groups=(MASTERS,))
    assert Union([AlwaysDeny()]).authorize(Attributes(root, "delete", resource="nodes")) == (
        Decision(True)
    )


def test_nobody_is_refused_for_good_before_the_roles_are_there() -> None:
    union = Union([AlwaysDeny()], lambda: False)
    with pytest.raises(ApiError) as refused:
        union.authorize(Attributes(JANE, "get", resource="pods"))
    assert refused.value.code == 503
    assert Union([AlwaysAllow()], lambda: False).authorize(Attributes(JANE, "get")).allowed


def test_errors_are_told_once() -> None:
    assert aggregate([]) == ""
    assert aggregate(["a", "a"]) == "a"
    assert aggregate(["a", "b", "a"]) == "[a, b]"


PODS = BY_PLURAL["", "v1", "pods"]
SPACES = BY_PLURAL["", "v1", "namespaces"]


@pytest.mark.parametrize(
    ("info", "namespace", "name"),
    [
        (RequestInfo("get", "", PODS, "ns", "p"), "ns", "p"),
        (RequestInfo("list", "", PODS, "ns", field_selector="metadata.name=p"), "ns", "p"),
        (RequestInfo("watch", "", PODS, "ns", field_selector="metadata.name=p"), "ns", "p"),
        (RequestInfo("list", "", PODS, "ns", field_selector="metadata.name!=p"), "ns", ""),
        (RequestInfo("list", "", PODS, "ns", field_selector="metadata.name=a/b"), "ns", ""),
        (RequestInfo("list", "", PODS, "ns", field_selector="nonsense"), "ns", ""),
        (
            RequestInfo("deletecollection", "", PODS, "ns", field_selector="metadata.name=p"),
            "ns",
            "",
        ),
        (RequestInfo("get", "", SPACES, "", "ns"), "ns", "ns"),
        (RequestInfo("update", "", SPACES, "", "ns", "finalize"), "ns", "ns"),
        (RequestInfo("list", "", SPACES), "", ""),
    ],
)
def test_what_a_request_asks_for(info: RequestInfo, namespace: str, name: str) -> None:
    asked = attributes_of(info, JANE)
    assert (asked.namespace, asked.name) == (namespace, name)


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


class Says:
    """An authorizer of one decision."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def authorize(self, attributes: Attributes) -> Decision:
        return self._decision

    def rules(self, user: User, namespace: str) -> Rules:
        return Rules()


def test_a_refusal_for_good_and_an_error() -> None:
    asked = Attributes(JANE, "get", resource="pods")
    final = Decision(False, "no", final=True)
    assert Union([Says(final), AlwaysAllow()]).authorize(asked) == final
    lost = Says(Decision(False, error="no answer"))
    assert Union([lost, AlwaysAllow()]).authorize(asked).allowed
    undecided = Union([lost, Never()]).authorize(asked)
    assert undecided == Decision(False, "never", error="no answer")
    assert refusal(asked, undecided).code == 500
    assert refusal(asked, final).code == 403
