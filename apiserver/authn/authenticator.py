"""Who asks: client certificate, then bearer token, then nobody in particular.

Credentials that are shown must be good: a bad token is 401, never anonymous. What a user may do is
not decided here. Source: k8s.io/apiserver/pkg/authentication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from apiserver.request import User
from wherry.api.errors import ApiError, status_error

AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))


class Peer(Protocol):
    """The part of a connection that authentication looks at."""

    certificate: dict[str, Any] | None
    certificate_user: User | None


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whom a token stands for, and for which of the asked audiences (empty: the server's own)."""

    user: User
    audiences: tuple[str, ...] = ()


class BadToken(Exception):
    """The token is of this kind, but not (or no longer) good. The text says why, for the log."""


class TokenAuthenticator(Protocol):
    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        """None when the token is not of this kind; BadToken when it is, and bad."""


def unauthorized() -> ApiError:
    return status_error("Unauthorized", "Unauthorized")


def user_of_certificate(certificate: Mapping[str, Any]) -> User | None:
    """The user a verified certificate names: CN is the name, each O a group. None without a CN."""
    name, groups = "", []
    for names in certificate.get("subject", ()):
        for kind, value in names:
            if kind == "commonName":
                name = value
            elif kind == "organizationName":
                groups.append(value)
    return authenticated(User(name, groups=tuple(groups))) if name else None


def authenticated(user: User) -> User:
    """The user with the group that everybody authenticated is in."""
    if AUTHENTICATED in user.groups or user.name == ANONYMOUS.name:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))


class Authenticator:
    """The chain. `tokens` are asked in order; the first that knows the token decides."""

    def __init__(self, tokens: Sequence[TokenAuthenticator], *, anonymous: bool) -> None:
        self._tokens = tuple(tokens)
        self._anonymous = anonymous

    def user(self, peer: Peer, authorization: bytes | None, now: datetime) -> User:
        """Who sent this request; ApiError 401 when its credentials are bad or missing."""
        if peer.certificate is not None:
            if peer.certificate_user is None:
                peer.certificate_user = user_of_certificate(peer.certificate)
            if peer.certificate_user is not None:
                return peer.certificate_user
        if authorization is not None:
            scheme, _, token = authorization.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                try:
                    found = self.token(token.strip(), (), now)
                except BadToken as error:
                    raise unauthorized() from error
                if found is None:
                    raise unauthorized()
                return found.user
        if not self._anonymous:
            raise unauthorized()
        return ANONYMOUS

    def token(self, token: str, audiences: Sequence[str], now: datetime) -> Authenticated | None:
        """Whom a token stands for; None when nobody knows it, BadToken when it is no longer good."""
        bad: BadToken | None = None
        for authenticator in self._tokens:
            try:
                found = authenticator.authenticate(token, audiences, now)
            except BadToken as error:
                bad = error
                continue
            if found is not None:
                return Authenticated(authenticated(found.user), found.audiences)
        if bad is not None:
            raise bad
        return None
