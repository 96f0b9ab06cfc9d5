"""The chain: front proxy, certificate, token, anonymous; and what is 401."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.authn.authenticator import (
    ANONYMOUS,
    TOKEN_BYTES_MAX,
    Anonymous,
    Authenticated,
    Authenticator,
    BadToken,
    Question,
)
from apiserver.authn.certificates import Identity
from apiserver.authn.front_proxy import FrontProxy
from apiserver.authn.token_file import TokenFile, parse
from apiserver.request import User
from wherry.api.errors import ApiError

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PROXY = FrontProxy(
    ("x-remote-user", "x-user"), ("x-remote-uid",), ("x-remote-group",), ("x-remote-extra-",)
)


@dataclass
class Connection:
    tls: Any = None
    identity: Identity | None = None


class Expired:
    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        if token == "old":
            raise BadToken("expired")
        assert len(token) <= TOKEN_BYTES_MAX, "nobody looks into a token that is too long"
        return None


def asks(
    authorization: bytes | None = None, *fields: tuple[bytes, bytes], path: str = "/api"
) -> Question:
    return Question(path, authorization, fields)


@pytest.fixture
def chain() -> Authenticator:
    users = parse('good,alice,u1,"dev,ops"\n')
    tokens = [Expired(), TokenFile(users, ("api",))]
    return Authenticator(tokens, anonymous=Anonymous(), front_proxy=PROXY)


def test_certificate_wins_over_token(chain: Authenticator) -> None:
    peer = Connection(identity=Identity(0, User("bob")))
    assert chain.user(peer, asks(b"Bearer good"), NOW).name == "bob"


@pytest.mark.parametrize("beside", [timedelta(days=-2), timedelta(days=2)])
def test_certificate_out_of_its_time(chain: Authenticator, beside: timedelta) -> None:
    around = NOW + beside
    limits = {"not_before": around - timedelta(days=1), "not_after": around + timedelta(days=1)}
    peer = Connection(identity=Identity(0, User("bob"), **limits))
    with pytest.raises(ApiError) as refusal:
        chain.user(peer, asks(), NOW)
    assert refusal.value.code == 401
    assert chain.user(peer, asks(b"Bearer good"), NOW).name == "alice"


def test_bad_certificate_is_not_anonymous(chain: Authenticator) -> None:
    peer = Connection(identity=Identity(0, problem="signed by unknown authority"))
    with pytest.raises(ApiError):
        chain.user(peer, asks(), NOW)


def test_front_proxy_says_who_asks(chain: Authenticator) -> None:
    fields = (
        (b"x-remote-user", b"eve"), (b"x-remote-user", b"second"), (b"x-user", b"third"),
        (b"x-remote-uid", b"u7"), (b"x-remote-group", b"dev"), (b"x-remote-group", b"ops"),
        (b"x-remote-extra-scopes%2fa", b"one"), (b"x-remote-extra-scopes%2fa", b"two"),
    )  # fmt: skip
    peer = Connection(identity=Identity(0, proxy=True))
    found = chain.user(peer, asks(None, *fields), NOW)
    groups = ("dev", "ops", "system:authenticated")
    assert found == User("eve", "u7", groups, {"scopes/a": ("one", "two")})


@pytest.mark.parametrize(
    ("identity", "want"),
    [
        (Identity(0), ANONYMOUS.name),
        (Identity(0, User("bob")), "bob"),
        (Identity(0, proxy=True, not_after=NOW - timedelta(1)), None),
        (Identity(0, problem="bad"), None),
    ],
)
def test_from_others_the_headers_mean_nothing(
    chain: Authenticator, identity: Identity, want: str | None
) -> None:
    question = asks(None, (b"x-remote-user", b"eve"), (b"x-remote-group", b"system:masters"))
    if want is None:
        with pytest.raises(ApiError):
            chain.user(Connection(identity=identity), question, NOW)
    else:
        assert chain.user(Connection(identity=identity), question, NOW).name == want


@pytest.mark.parametrize("header", [b"Bearer good", b"bearer good", b" Bearer good more "])
def test_token(chain: Authenticator, header: bytes) -> None:
    user = chain.user(Connection(), asks(header), NOW)
    assert user == User("alice", "u1", ("dev", "ops", "system:authenticated"))


@pytest.mark.parametrize("header", [None, b"Bearer", b"Bearer ", b"Basic Z29vZDpnb29k", b"good"])
def test_nothing_is_anonymous(chain: Authenticator, header: bytes | None) -> None:
    assert chain.user(Connection(), asks(header), NOW) is ANONYMOUS


@pytest.mark.parametrize("token", [b"Bearer bad", b"Bearer old"])
def test_bad_tokens_are_refused(chain: Authenticator, token: bytes) -> None:
    with pytest.raises(ApiError) as refusal:
        chain.user(Connection(), asks(token), NOW)
    assert refusal.value.status == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
    }  # fmt: skip


def test_too_long_tokens_are_not_looked_into(chain: Authenticator) -> None:
    with pytest.raises(ApiError):
        chain.user(Connection(), asks(b"Bearer " + b"x" * (TOKEN_BYTES_MAX + 1)), NOW)


def test_anonymous_can_be_off_or_for_some_paths_only() -> None:
    with pytest.raises(ApiError):
        Authenticator([], anonymous=Anonymous(False)).user(Connection(), asks(), NOW)
    some = Authenticator([], anonymous=Anonymous(True, frozenset({"/livez"})))
    assert some.user(Connection(), asks(path="/livez"), NOW) is ANONYMOUS
    for path in ("/livez/", "/LIVEZ", "/livez/../api", "/api"):
        with pytest.raises(ApiError):
            some.user(Connection(), asks(path=path), NOW)


def test_review_audiences(chain: Authenticator) -> None:
    assert chain.token("good", ("api", "other"), NOW).audiences == ("api",)  # type: ignore[union-attr]
    assert chain.token("good", ("other",), NOW) is None


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("t,u,i\n", {"t": User("u", "i")}),
        ('t,u,i,"a, b"\n', {"t": User("u", "i", ("a", "b"))}),
        ("t,u,i,a\n\n# no\n", {"t": User("u", "i", ("a",))}),
        ("", {}),
    ],
)
def test_token_file(text: str, want: dict[str, User]) -> None:
    assert parse(text) == want


@pytest.mark.parametrize("text", ["t,u\n", ",u,i\n"])
def test_bad_token_file_names_the_line(text: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        parse(text)
