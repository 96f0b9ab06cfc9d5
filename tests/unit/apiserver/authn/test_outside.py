"""Issuers that come and go with the file that names them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from apiserver.authn.authenticator import BadToken, KeysWanted
from apiserver.authn.oidc import Issuer, Mapped, user_of
from apiserver.authn.oidc_keys import ASK_SECONDS_MIN, FetchFailed, IssuerKeys, parse_keys
from apiserver.authn.outside import LOOK_SECONDS, OutsideIssuers
from wherry.daemon.clock import FakeClock

KEY: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW = datetime.now(UTC)
# Nobody listens there: keys never come.
ONE = Issuer("https://127.0.0.1:1/one", ("a",), Mapped("sub"))
TWO = Issuer("https://127.0.0.1:1/two", ("a",), Mapped("sub"))


def token(issuer: Issuer) -> str:
    claims = {"iss": issuer.url, "aud": "a", "sub": "jane", "exp": time.time() + 60}
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k"})


def is_known(outside: OutsideIssuers, issuer: Issuer) -> bool:
    """Whether tokens of this issuer are anybody's business."""
    try:
        return outside.authenticate(token(issuer), (), NOW) is not None
    except BadToken:
        return True


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_file_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "issuers"
    file.write_text("one")
    named = {"one": [ONE], "both": [ONE, TWO], "two": [TWO]}

    def reread() -> list[Issuer]:
        return named[file.read_text()] if file.read_text() in named else _nonsense()

    clock = FakeClock()
    outside = OutsideIssuers(reread(), ("api",), clock, file, reread)
    running = asyncio.create_task(outside.run())
    await settled()
    assert (is_known(outside, ONE), is_known(outside, TWO)) == (True, False)
    for text, want in (
        ("both", (True, True)), ("nonsense!", (True, True)), ("two", (False, True)),
    ):  # fmt: skip
        file.write_text(text)
        clock.advance(LOOK_SECONDS)
        await settled()
        assert (is_known(outside, ONE), is_known(outside, TWO)) == want
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def _nonsense() -> list[Issuer]:
    raise ValueError("no configuration")


async def test_keys_are_asked_for_now_and_then_only() -> None:
    clock = FakeClock()
    keys = IssuerKeys(ONE, clock)
    assert keys.wanted() is not None
    running = asyncio.create_task(keys.run())
    wait = keys.wanted()
    assert wait is not None
    await wait()  # the attempt fails, as nobody listens
    assert keys.wanted() is None
    assert not keys.known()
    clock.advance(ASK_SECONDS_MIN)
    assert keys.wanted() is not None
    running.cancel()


def test_a_token_without_a_key_asks_to_wait() -> None:
    outside = OutsideIssuers([ONE], ("api",), FakeClock())
    with pytest.raises(KeysWanted):
        outside.authenticate(token(ONE), (), NOW)
    assert outside.authenticate(token(ONE), ("vault",), NOW) is None


def test_which_keys_count() -> None:
    good = {**RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k"}
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}
    for_encryption = {**good, "use": "enc", "kid": "e"}
    broken = {"kty": "RSA", "n": "!", "kid": "b"}
    found = parse_keys({"keys": [shared, for_encryption, broken, "x", {}, good]})
    assert list(found) == ["k"]
    with pytest.raises(FetchFailed):
        parse_keys({"keys": "none"})


@pytest.mark.parametrize(
    ("claims", "want"),
    [
        ({"sub": "jane"}, "p:jane"),
        ({"sub": ""}, "p:"),
        ({"sub": 1}, None),
        ({}, None),
        ({"sub": "jane", "aud": ["b"]}, None),
        ({"sub": "jane", "groups": ["dev", 1]}, None),
    ],
)
def test_whom_claims_name(claims: dict[str, Any], want: str | None) -> None:
    issuer = Issuer("https://x", ("a",), Mapped("sub", "p:"), Mapped("groups", "g:"))
    whole = {"aud": "a", **claims}
    if want is None:
        with pytest.raises(ValueError, match=r"claim|audience"):
            user_of(issuer, whole)
    else:
        assert user_of(issuer, whole).name == want


@pytest.mark.parametrize(("verified", "good"), [(None, True), (True, True), (False, False)])
def test_addresses_must_not_be_unverified(verified: bool | None, good: bool) -> None:
    issuer = Issuer("https://x", ("a",), Mapped("email"))
    claims = {"aud": "a", "email": "jane@x", "email_verified": verified}
    whole = {key: value for key, value in claims.items() if value is not None}
    if good:
        assert user_of(issuer, whole).name == "jane@x"
    else:
        with pytest.raises(ValueError, match="not verified"):
            user_of(issuer, whole)
