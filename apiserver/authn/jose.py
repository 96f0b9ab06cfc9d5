"""The part of JSON Web Tokens that both kinds of issuers share: taking apart, and one signature.

Taken apart strictly (base64url without padding, JSON objects) and without trust; no signature is ever
checked with an algorithm that the token chose: the caller says which, and `none` and shared secrets
are not among them. Source: RFC 7515, RFC 7519.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import get_algorithm_by_name

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
ALGORITHMS = (*_CURVES, "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself. Nothing of it is true yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def key_id(self) -> str:
        found = self.header.get("kid", "")
        return found if isinstance(found, str) else ""

    @property
    def issuer(self) -> str:
        found = self.claims.get("iss")
        return found if isinstance(found, str) else ""


def take_apart(token: str) -> Unverified | None:
    """The parts of a compact token; None when it is none. The caller has capped its length."""
    if _COMPACT.fullmatch(token) is None:
        return None
    signed, _, signature = token.rpartition(".")
    first, _, second = signed.partition(".")
    try:
        header, claims = orjson.loads(_decode(first)), orjson.loads(_decode(second))
        parts = Unverified(header, claims, signed.encode(), _decode(signature))
    except ValueError:
        return None
    return parts if isinstance(header, dict) and isinstance(claims, dict) else None


def is_signed(token: Unverified, algorithm: str, key: Any) -> bool:
    """Whether this key signed the token by this algorithm, which must be the key's kind."""
    if token.header.get("alg") != algorithm or "crit" in token.header:
        return False
    if not fits(algorithm, key):
        return False
    return bool(get_algorithm_by_name(algorithm).verify(token.signed, key, token.signature))


def fits(algorithm: str, key: Any) -> bool:
    """Whether the algorithm is one for such public keys."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(algorithm) == key.curve.name
    rsa_like = algorithm in ALGORITHMS and algorithm[:2] in ("RS", "PS")
    return isinstance(key, rsa.RSAPublicKey) and rsa_like


def audiences_of(claims: dict[str, Any]) -> tuple[str, ...]:
    """`aud`: a text or a list of them."""
    found = claims.get("aud", ())
    if isinstance(found, str):
        return (found,)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def seconds_of(claims: dict[str, Any], name: str) -> float | None:
    """A time claim in Unix seconds; None when absent. ValueError when it is no number."""
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError(f"claim {name} is not a number")
    return float(found)


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
