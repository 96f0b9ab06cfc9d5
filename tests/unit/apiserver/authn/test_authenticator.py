"""The chain: certificate, token, anonymous; and what is 401."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.authn.authenticator import (
    ANONYMOUS,
    Authenticated,
    Authenticator,
    BadToken,
    user_of_certificate,
)
from apiserver.authn.token_file import TokenFile, parse
from apiserver.request import User
from wherry.api.errors import ApiError

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass
class Connection:
    certificate: dict[str, Any] | None = None
    certificate_user: User | None = None


class Expired:
    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        if token == "old":
            raise BadToken("expired")
        return None


def certificate(name: str, *groups: str) -> dict[str, Any]:
    subject = [(("organizationName", group),) for group in groups]
    return {"subject": (*subject, (("commonName", name),))} if name else {"subject": subject}


@pytest.fixture
def chain() -> Authenticator:
    users = parse('good,alice,u1,"dev,ops"\n')
    return Authenticator([Expired(), TokenFile(users, ("api",))], anonymous=True)


def test_certificate_names_user_and_groups() -> None:
    user = user_of_certificate(certificate("system:node:n1", "system:nodes", "more"))
    assert user == User("system:node:n1", groups=("system:nodes", "more", "system:authenticated"))


def test_certificate_without_a_name_is_nobody() -> None:
    assert user_of_certificate(certificate("", "system:masters")) is None


def test_certificate_wins_over_token(chain: Authenticator) -> None:
    peer = Connection(certificate("bob"))
    assert chain.user(peer, b"Bearer good", NOW).name == "bob"
    assert peer.certificate_user is not None


def test_token(chain: Authenticator) -> None:
    user = chain.user(Connection(), b"Bearer good", NOW)
    assert user == User("alice", "u1", ("dev", "ops", "system:authenticated"))


def test_scheme_is_case_insensitive(chain: Authenticator) -> None:
    assert chain.user(Connection(), b"bearer good", NOW).name == "alice"


def test_nothing_is_anonymous(chain: Authenticator) -> None:
    assert chain.user(Connection(), None, NOW) is ANONYMOUS


@pytest.mark.parametrize("token", [b"Bearer bad", b"Bearer old", b"Bearer "])
def test_bad_tokens_are_refused(chain: Authenticator, token: bytes) -> None:
    with pytest.raises(ApiError) as refusal:
        chain.user(Connection(), token, NOW)
    assert refusal.value.status == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
    }  # fmt: skip


def test_anonymous_can_be_off() -> None:
    with pytest.raises(ApiError):
        Authenticator([], anonymous=False).user(Connection(), None, NOW)


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
