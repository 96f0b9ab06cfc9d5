"""Bootstrap tokens: what a Secret must say."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.authn.bootstrap_tokens import BootstrapTokens
from apiserver.request import User
from wherry.api.scheme import Resource

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TOKEN = "abcdef.0123456789abcdef"


class Secrets:
    def __init__(self, secret: dict[str, Any]) -> None:
        self._secret = secret

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        held = ("kube-system", "bootstrap-token-abcdef")
        return self._secret if (namespace, name) == held else None

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]:
        return [self._secret]


def secret(kind: str = "bootstrap.kubernetes.io/token", **changes: str) -> dict[str, Any]:
    data = {
        "token-id": "abcdef", "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **{key.replace("_", "-"): value for key, value in changes.items()},
    }  # fmt: skip
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": "bootstrap-token-abcdef"}, "type": kind, "data": encoded}


def user(tree: dict[str, Any], token: str = TOKEN) -> User | None:
    found = BootstrapTokens(Secrets(tree), ("api",)).authenticate(token, (), NOW)
    return None if found is None else found.user


def test_a_good_one() -> None:
    assert user(secret()) == User("system:bootstrap:abcdef", groups=("system:bootstrappers",))
    extra = secret(
        auth_extra_groups="system:bootstrappers:b,system:bootstrappers:a:c",
        expiration="2026-11-21T12:00:01Z",
    )
    found = user(extra)
    assert found is not None
    assert found.groups == (
        "system:bootstrappers", "system:bootstrappers:a:c", "system:bootstrappers:b",
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "Opaque"}, {"token_secret": "fedcba9876543210"}, {"token_secret": ""},
        {"token_id": "fedcba"}, {"expiration": "2026-11-21T12:00:00Z"}, {"expiration": "soon"},
        {"usage_bootstrap_authentication": "yes"},
        {"auth_extra_groups": "system:masters"}, {"auth_extra_groups": "system:bootstrappers:"},
        {"auth_extra_groups": "system:bootstrappers:a,"},
        {"auth_extra_groups": "system:bootstrappers:A"},
    ],
    ids=str,
)  # fmt: skip
def test_bad_ones(changes: dict[str, str]) -> None:
    assert user(secret(**changes)) is None


def test_deleted() -> None:
    tree = secret()
    tree["metadata"]["deletionTimestamp"] = "2026-11-21T11:00:00Z"
    assert user(tree) is None


@pytest.mark.parametrize(
    "token",
    ["abcdef", "abcdef.", "ABCDEF.0123456789abcdef", f"{TOKEN}0", f"{TOKEN}\n", f" {TOKEN}",
     "abcdeg.0123456789abcdef", "../../.0123456789abcdef", "abcdef.0123456789abcdeg"],
)  # fmt: skip
def test_other_tokens(token: str) -> None:
    assert user(secret(), token) is None


def test_audiences() -> None:
    tokens = BootstrapTokens(Secrets(secret()), ("api",))
    assert tokens.authenticate(TOKEN, ("vault",), NOW) is None
    found = tokens.authenticate(TOKEN, ("api", "vault"), NOW)
    assert found is not None
    assert found.audiences == ("api",)
