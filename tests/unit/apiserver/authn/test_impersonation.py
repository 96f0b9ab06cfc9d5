"""Whom the headers name, what that takes, and which groups come by themselves."""

from __future__ import annotations

import pytest

from apiserver.authn.impersonation import completed, is_asked_for, wanted
from apiserver.authn.impersonation_modes import Impersonation, plain
from apiserver.authz.authorizer import Attributes, denied
from apiserver.request import User
from wherry.api.errors import ApiError

ASKING = User("alice")


def fields(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in pairs]


def test_all_of_a_user() -> None:
    asked = fields(
        ("accept", "x"), ("impersonate-user", "bob"), ("impersonate-uid", "u1"),
        ("impersonate-group", "dev"), ("impersonate-group", "ops"),
        ("impersonate-extra-acme.com%2fproject", "p1"),
        ("impersonate-extra-acme.com%2fproject", "p2"),
    )  # fmt: skip
    assert is_asked_for(asked)
    user = wanted(asked)
    assert user == User("bob", "u1", ("dev", "ops"), {"acme.com/project": ("p1", "p2")})
    needed = [
        (one.verb, one.group, one.resource, one.subresource, one.name, one.namespace)
        for one in plain(ASKING, user)
    ]
    group = "authentication.k8s.io"
    assert needed == [
        ("impersonate", "", "users", "", "bob", ""),
        ("impersonate", group, "uids", "", "u1", ""),
        ("impersonate", "", "groups", "", "dev", ""),
        ("impersonate", "", "groups", "", "ops", ""),
        ("impersonate", group, "userextras", "acme.com/project", "p1", ""),
        ("impersonate", group, "userextras", "acme.com/project", "p2", ""),
    ]
    assert all(one.user is ASKING for one in plain(ASKING, user))


def test_service_accounts_are_asked_for_as_such() -> None:
    (only,) = plain(ASKING, User("system:serviceaccount:ns:bot"))
    assert (only.resource, only.namespace, only.name) == ("serviceaccounts", "ns", "bot")
    for name in ("system:serviceaccount:ns", "system:serviceaccount:NS:bot"):
        (only,) = plain(ASKING, User(name))
        assert (only.resource, only.name) == ("users", name)


@pytest.mark.parametrize(
    "header", ["impersonate-group", "impersonate-uid", "impersonate-extra-scopes"]
)
def test_nothing_without_a_user(header: str) -> None:
    with pytest.raises(ApiError) as refusal:
        wanted(fields((header, "system:masters"), ("impersonate-user", "")))
    assert refusal.value.code == 400
    assert "without impersonating a user name" in str(refusal.value)


def test_an_empty_user_is_nobody() -> None:
    assert wanted(fields(("impersonate-user", ""))) is None
    assert not is_asked_for(fields(("x-impersonate-user", "bob")))


@pytest.mark.parametrize(
    ("user", "groups"),
    [
        (User("bob"), ("system:authenticated",)),
        (User("bob", groups=("dev",)), ("dev", "system:authenticated")),
        (User("bob", groups=("system:authenticated",)), ("system:authenticated",)),
        (User("bob", groups=("system:unauthenticated",)), ("system:unauthenticated",)),
        (User("system:anonymous"), ("system:unauthenticated",)),
        (
            User("system:serviceaccount:ns:bot"),
            ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
        ),
        (User("system:serviceaccount:ns:bot", groups=("dev",)), ("dev", "system:authenticated")),
    ],
)
def test_groups_that_come_by_themselves(user: User, groups: tuple[str, ...]) -> None:
    assert completed(user).groups == groups


NODE_BOUND = User(
    "system:serviceaccount:ns:agent",
    extra={"authentication.kubernetes.io/node-name": ("n1",), "other": ("x",)},
)
LIST = Attributes(ASKING, "list", "ns", "", "v1", "pods")


class Rights:
    """Allows what was granted, as `verb resource[/part] name`; remembers what was asked."""

    def __init__(self, *granted: str) -> None:
        self.granted = granted
        self.asked: list[Attributes] = []

    def ask(self, attributes: Attributes) -> None:
        self.asked.append(attributes)
        part = f"/{attributes.subresource}" if attributes.subresource else ""
        words = f"{attributes.verb} {attributes.resource}{part} {attributes.name}".strip()
        if words not in self.granted:
            raise denied(attributes, "")


def attempt(rights: Rights, wanted: User, request: Attributes = LIST) -> User:
    return Impersonation(rights.ask).user(wanted, request)[0]


def test_only_for_some_requests() -> None:
    rights = Rights("impersonate-on:user-info:list pods", "impersonate:user-info users bob")
    assert attempt(rights, User("bob")).groups == ("system:authenticated",)
    assert Impersonation(rights.ask).user(User("bob"), LIST)[1] == "impersonate:user-info"
    on, user = rights.asked[:2]
    assert (on.namespace, on.group) == ("ns", "")
    assert user.group == "authentication.k8s.io"
    with pytest.raises(ApiError) as refusal:
        attempt(rights, User("bob"), LIST._replace(verb="delete"))
    assert "cannot impersonate-on:user-info:delete resource" in str(refusal.value)
    with pytest.raises(ApiError):
        attempt(rights, User("alice"))


def test_paths_too() -> None:
    request = Attributes(ASKING, "get", path="/metrics")
    rights = Rights("impersonate-on:user-info:get", "impersonate:user-info users bob")
    assert attempt(rights, User("bob"), request).name == "bob"


def test_the_plain_verb_is_enough() -> None:
    rights = Rights("impersonate users bob", "impersonate groups system:masters")
    found = attempt(rights, User("bob", groups=("system:masters",)))
    assert found.groups == ("system:masters", "system:authenticated")


def test_what_constrained_modes_never_give() -> None:
    on = ("impersonate-on:user-info:list pods", "impersonate:user-info users bob")
    everything = Rights(
        *on, "impersonate:user-info groups system:masters", "impersonate:user-info groups ",
        "impersonate:user-info groups *", "impersonate:user-info userextras/scopes all",
        "impersonate:user-info userextras/a.b/c ",
    )  # fmt: skip
    for user in (
        User("bob", groups=("system:masters",)), User("bob", groups=("",)),
        User("bob", groups=("a", "b", "c", "system:masters")),
        User("bob", extra={"scopes": ("all",)}), User("bob", extra={"a.b/c": ("",)}),
        User("bob", extra={"": ("x",)}),
    ):  # fmt: skip
        with pytest.raises(ApiError):
            attempt(everything, user)


def test_many_groups_may_be_allowed_at_once() -> None:
    on = ("impersonate-on:user-info:list pods", "impersonate:user-info users bob")
    groups = ("a", "b", "c", "d")
    assert attempt(Rights(*on, "impersonate:user-info groups *"), User("bob", groups=groups))
    each = [f"impersonate:user-info groups {name}" for name in groups]
    assert attempt(Rights(*on, *each), User("bob", groups=groups))
    with pytest.raises(ApiError):
        attempt(Rights(*on, *each[:-1]), User("bob", groups=groups))
    extras = {"a.b/c": ("1", "2"), "a.b/d": ("3", "4")}
    assert attempt(Rights(*on, "impersonate:user-info userextras/* *"), User("bob", extra=extras))


def test_service_accounts_and_nodes_have_modes_of_their_own() -> None:
    account = User("system:serviceaccount:ns:bot")
    rights = Rights(
        "impersonate-on:serviceaccount:list pods", "impersonate:serviceaccount serviceaccounts bot"
    )
    assert attempt(rights, account).groups[0] == "system:serviceaccounts"
    info = Rights(
        "impersonate-on:user-info:list pods", f"impersonate:user-info users {account.name}"
    )
    with pytest.raises(ApiError):
        attempt(info, account)
    node = User("system:node:n1")
    rights = Rights(
        "impersonate-on:arbitrary-node:list pods", "impersonate:arbitrary-node nodes n1"
    )
    assert attempt(rights, node).groups == ("system:nodes", "system:authenticated")
    with pytest.raises(ApiError):
        attempt(rights, User("system:node:n1", groups=("system:masters",)))


def test_the_node_one_runs_on() -> None:
    rights = Rights(
        "impersonate-on:associated-node:list pods", "impersonate:associated-node nodes *"
    )
    request = LIST._replace(user=NODE_BOUND)
    assert attempt(rights, User("system:node:n1"), request).groups[0] == "system:nodes"
    assert all("n1" not in str(one.user.extra) for one in rights.asked)
    with pytest.raises(ApiError):
        attempt(rights, User("system:node:n2"), request)
    with pytest.raises(ApiError):  # a user may call itself anything, but is no service account
        attempt(
            rights, User("system:node:n1"), LIST._replace(user=User("x", extra=NODE_BOUND.extra))
        )


def test_the_mode_that_worked_is_tried_first() -> None:
    rights = Rights("impersonate users bob")
    modes = Impersonation(rights.ask)
    assert modes.user(User("bob"), LIST)[1] == ""
    assert [one.verb for one in rights.asked] == ["impersonate-on:user-info:list", "impersonate"]
    rights.asked.clear()
    modes.user(User("bob"), LIST)
    assert [one.verb for one in rights.asked] == ["impersonate"]
    with pytest.raises(ApiError) as refusal:
        modes.user(User("eve"), LIST)
    assert "cannot impersonate resource" in str(refusal.value)
