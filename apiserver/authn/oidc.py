"""Tokens of outside issuers (OpenID Connect): whom one names, by the claims that are configured.

Keys come from `oidc_keys.py`, never from here: nothing in this module waits. A token whose key is not
known (yet) raises `KeysWanted`, and whoever can wait does.

Source: k8s.io/apiserver/plugin/pkg/authenticator/token/oidc, coreos/go-oidc.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from apiserver.authn.authenticator import Authenticated, BadToken, KeysWanted
from apiserver.authn.jose import Unverified, audiences_of, fits, is_signed, seconds_of, take_apart
from apiserver.request import User

NOT_BEFORE_LEEWAY_SECONDS = 300.0  # go-oidc's
VERIFIED_MAX = 4096
_GOOGLE = {"accounts.google.com": "https://accounts.google.com"}


@dataclass(frozen=True, slots=True)
class Mapped:
    """A claim and what is put before its value; without `claim` nothing is mapped."""

    claim: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One trusted issuer. `authority` is PEM; "" means the machine's own authorities."""

    url: str
    audiences: tuple[str, ...]
    username: Mapped
    groups: Mapped = Mapped()
    uid: Mapped = Mapped()
    required: Mapping[str, str] = field(default_factory=dict)
    algorithms: tuple[str, ...] = ("RS256",)
    authority: str = ""
    discovery_url: str = ""

    @property
    def discovery(self) -> str:
        """Where its keys can be learned of."""
        return self.discovery_url or f"{self.url.rstrip('/')}/.well-known/openid-configuration"


class Keys(Protocol):
    """What is known of an issuer's keys."""

    generation: int  # moves with each change of the keys

    def find(self, key_id: str) -> Sequence[Any]:
        """The public keys of this id; all of them for ""."""

    def known(self) -> bool:
        """Whether the issuer was ever reached."""

    def wanted(self) -> Callable[[], Awaitable[None]] | None:
        """How to wait for newer keys; None when it is too early to ask again."""


@dataclass(frozen=True, slots=True)
class _Verified:
    user: User
    begins: float
    expires: float
    generation: int


class OidcTokens:
    """Verifies the tokens of one issuer."""

    def __init__(self, issuer: Issuer, keys: Keys, api_audiences: Sequence[str]) -> None:
        self._issuer = issuer
        self._keys = keys
        self._api_audiences = tuple(api_audiences)
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        shared = tuple(one for one in self._api_audiences if one in (audiences or (one,)))
        if not shared:
            return None
        digest = hashlib.sha256(token.encode("latin-1", "replace")).digest()
        known = self._verified.get(digest)
        if known is None or known.generation != self._keys.generation:
            parts = take_apart(token)
            if parts is None or _GOOGLE.get(parts.issuer, parts.issuer) != self._issuer.url:
                return None
            known = self._verify(parts)
            self._verified[digest] = known
            while len(self._verified) > VERIFIED_MAX:
                self._verified.popitem(last=False)
        moment = now.timestamp()
        if moment > known.expires:
            raise BadToken("oidc: token is expired")
        if moment + NOT_BEFORE_LEEWAY_SECONDS < known.begins:
            raise BadToken("oidc: token is not valid yet")
        return Authenticated(known.user, shared)

    def _verify(self, parts: Unverified) -> _Verified:
        algorithm = parts.header.get("alg")
        if algorithm not in self._issuer.algorithms:
            raise BadToken("oidc: id token signed with unsupported algorithm")
        keys = [key for key in self._keys.find(parts.key_id) if fits(algorithm, key)]
        if not any(is_signed(parts, algorithm, key) for key in keys):
            wait = None if keys and parts.key_id else self._keys.wanted()
            if wait is not None:
                raise KeysWanted("oidc: no key of the issuer verifies the token yet", wait)
            if not self._keys.known():
                raise BadToken("oidc: the issuer has not been reached yet")
            raise BadToken("oidc: failed to verify id token signature")
        try:
            user = user_of(self._issuer, parts.claims)
            begins = seconds_of(parts.claims, "nbf") or 0.0
            expires = seconds_of(parts.claims, "exp") or 0.0
        except ValueError as error:
            raise BadToken(f"oidc: {error}") from error
        return _Verified(user, begins, expires, self._keys.generation)


def user_of(issuer: Issuer, claims: Mapping[str, Any]) -> User:
    """The user that verified claims name; ValueError when they are not for us or lack something."""
    if not set(issuer.audiences) & set(audiences_of(dict(claims))):
        raise ValueError(f"expected audience in {list(issuer.audiences)}")
    name = _text(claims, issuer.username.claim)
    if issuer.username.claim == "email" and claims.get("email_verified", True) is not True:
        raise ValueError("email not verified")
    for claim, value in issuer.required.items():
        if _text(claims, claim) != value:
            raise ValueError(f"required claim {claim} value does not match")
    groups = _texts(claims, issuer.groups.claim) if issuer.groups.claim in claims else ()
    uid = _text(claims, issuer.uid.claim) if issuer.uid.claim else ""
    prefixed = tuple(f"{issuer.groups.prefix}{group}" for group in groups)
    return User(f"{issuer.username.prefix}{name}", uid, prefixed)


def _text(claims: Mapping[str, Any], claim: str) -> str:
    found = claims.get(claim)
    if not isinstance(found, str):
        raise ValueError(f"claim {claim!r} is not present or no text")
    return found


def _texts(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """A claim that is a text or a list of texts."""
    found = claims[claim]
    if isinstance(found, str):
        return (found,)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"claim {claim!r} is neither a text nor a list of texts")
    return tuple(found)
