"""Whom the headers name, what that takes, and which groups come by themselves."""

from __future__ import annotations

import pytest

from apiserver.authn.impersonation import checks, completed, is_asked_for, wanted
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
        for one in checks(ASKING, user)
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
    assert all(one.user is ASKING for one in checks(ASKING, user))


def test_service_accounts_are_asked_for_as_such() -> None:
    (only,) = checks(ASKING, User("system:serviceaccount:ns:bot"))
    assert (only.resource, only.namespace, only.name) == ("serviceaccounts", "ns", "bot")
    for name in ("system:serviceaccount:ns", "system:serviceaccount:NS:bot"):
        (only,) = checks(ASKING, User(name))
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
