"""Tokens taken apart strictly, and signatures that mean what they say."""

from __future__ import annotations

import base64
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from apiserver.authn.jose import ALGORITHMS, fits, is_signed, take_apart

RSA: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
}


def key_for(algorithm: str) -> Any:
    return EC.get(algorithm, RSA)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_verifies_its_own(algorithm: str) -> None:
    token = jwt.encode({"iss": "i"}, key_for(algorithm), algorithm=algorithm, headers={"kid": "k"})
    parts = take_apart(token)
    assert parts is not None
    assert (parts.issuer, parts.key_id) == ("i", "k")
    for other in ALGORITHMS:
        assert is_signed(parts, other, key_for(other).public_key()) is (other == algorithm)


def test_one_changed_bit_is_enough() -> None:
    token = jwt.encode({"iss": "i", "sub": "a"}, RSA, algorithm="RS256")
    head, _, signature = token.split(".")
    other = jwt.encode({"iss": "i", "sub": "b"}, RSA, algorithm="RS256").split(".")[1]
    parts = take_apart(f"{head}.{other}.{signature}")
    assert parts is not None
    assert not is_signed(parts, "RS256", RSA.public_key())


def test_keys_and_algorithms_that_do_not_fit() -> None:
    assert not fits("ES384", EC["ES256"].public_key())
    assert not fits("RS256", EC["ES256"].public_key())
    assert not fits("HS256", RSA.public_key())
    assert not fits("none", RSA.public_key())
    assert not fits("RS256", b"a shared secret")


def encoded(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "a.b", "a.b.c", "a.b.c.d", f"{encoded(b'{}')}.{encoded(b'[]')}.",
        f"{encoded(b'{}')}.{encoded(b'1')}.", f"{encoded(b'{}')}=.{encoded(b'{}')}.",
        f"{encoded(b'{}')}.{encoded(b'{}')}.!", f" {encoded(b'{}')}.{encoded(b'{}')}.",
        f"{encoded(b'{}')}.{encoded(b'[' * 9000)}.", f"{encoded(b'{')}.{encoded(b'{}')}.",
        f"{encoded(b'{}')}.{encoded(b'{}')}.\n", "e30.e30.a",
    ],
)  # fmt: skip
def test_what_is_no_token(text: str) -> None:
    assert take_apart(text) is None


@given(st.text(alphabet="abcXYZ019-_.=e30{}[]", max_size=60))
def test_nothing_breaks_it(text: str) -> None:
    parts = take_apart(text)
    assert parts is None or not is_signed(parts, "RS256", RSA.public_key())
