"""Who asks: front proxy, client certificate, then bearer token, then nobody in particular.

Credentials that are shown must be good: a bad token is 401, never anonymous. What a user may do is
not decided here. Source: k8s.io/apiserver/pkg/authentication.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from apiserver.authn.certificates import (
    ClientAuthorities,
    ClientCertificates,
    Identity,
    shown_by,
)
from apiserver.authn.front_proxy import FrontProxy
from apiserver.request import User
from wherry.api.errors import ApiError, status_error

log = logging.getLogger(__name__)

AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))
_EITHER = frozenset({AUTHENTICATED, *ANONYMOUS.groups})
# Nothing of a token is looked at beyond this; a bound token has about 1,200 bytes.
TOKEN_BYTES_MAX = 16 * 1024


class Peer(Protocol):
    """The part of a connection that authentication looks at."""

    tls: Any  # the `ssl` module's object; None without TLS
    identity: Identity | None  # what its certificate is good for; worked out here, once


@dataclass(frozen=True, slots=True)
class Question:
    """The part of a request that authentication looks at. Names of headers are in lower case."""

    path: str
    authorization: bytes | None
    fields: Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whom a token stands for, and for which of the asked audiences (empty: the server's own)."""

    user: User
    audiences: tuple[str, ...] = ()


class BadToken(Exception):
    """The token is of this kind, but not (or no longer) good. The text says why, for the log."""


class KeysWanted(BadToken):
    """The token may be good once newer keys are there: `wait` for them, then ask again."""

    def __init__(self, reason: str, wait: Callable[[], Awaitable[None]]) -> None:
        super().__init__(reason)
        self.wait = wait


class TokenAuthenticator(Protocol):
    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        """None when the token is not of this kind; BadToken when it is, and bad."""


def unauthorized() -> ApiError:
    return status_error("Unauthorized", "Unauthorized")


def authenticated(user: User) -> User:
    """The user with the group that everybody authenticated is in."""
    if user.name == ANONYMOUS.name or not _EITHER.isdisjoint(user.groups):
        return user
    # Of each request with a token: `replace` would cost several times as much.
    return User(user.name, user.uid, (*user.groups, AUTHENTICATED), user.extra)


def bearer_token(authorization: bytes) -> str:
    """The token of an `Authorization` header; "" when it is none."""
    scheme, _, rest = authorization.decode("latin-1").strip().partition(" ")
    return rest.split(" ", 1)[0] if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Whether who shows nothing may ask as system:anonymous; with `paths` only for these."""

    enabled: bool = True
    paths: frozenset[str] = frozenset()

    def allows(self, path: str) -> bool:
        return self.enabled and (not self.paths or path in self.paths)


class Authenticator:
    """The chain: front proxy, client certificate, token, anonymous.

    `tokens` are asked in order; the first that knows the token decides. A bad certificate beside a
    good token does no harm, as upstream has it.
    """

    def __init__(
        self,
        tokens: Sequence[TokenAuthenticator],
        *,
        anonymous: Anonymous,
        certificates: ClientCertificates | None = None,
        front_proxy: FrontProxy | None = None,
    ) -> None:
        self._tokens = tuple(tokens)
        self._anonymous = anonymous
        self._certificates = certificates or ClientCertificates(ClientAuthorities())
        self._authorities = self._certificates.authorities
        self._front_proxy = front_proxy

    def user(self, peer: Peer, question: Question, now: datetime) -> User:
        """Who sent this request; ApiError 401 when its credentials are bad or missing.

        KeysWanted when its token may be good in a moment.
        """
        identity = peer.identity
        if identity is None or identity.generation != self._authorities.generation:
            identity = peer.identity = self._identity(peer)
        problem = identity.problem
        if identity.shown:
            if not identity.not_before <= now <= identity.not_after:
                problem = "the certificate has expired or is not yet valid"
            elif identity.proxy and self._front_proxy is not None:
                found = self._front_proxy.user(question.fields)
                if found is not None:
                    return authenticated(found)
            if identity.user is not None and not problem:
                return identity.user
        if question.authorization is not None:
            user, why = self._bearer(question.authorization, now)
            if user is not None:
                return user
            problem = problem or why
        if problem:
            log.debug("not authenticated: %s", problem)
            raise unauthorized()
        if not self._anonymous.allows(question.path):
            raise unauthorized()
        return ANONYMOUS

    def _identity(self, peer: Peer) -> Identity:
        identity = self._certificates.identify(shown_by(peer.tls))
        if identity.user is None:
            return identity
        return replace(identity, user=authenticated(identity.user))

    def _bearer(self, authorization: bytes, now: datetime) -> tuple[User | None, str]:
        """The token's user, or why there is none ("" when there is no token)."""
        token = bearer_token(authorization)
        if not token:
            return None, ""
        try:
            found = self.token(token, (), now)
        except KeysWanted:
            raise
        except BadToken as error:
            return None, str(error)
        return (None, "invalid bearer token") if found is None else (found.user, "")

    def token(self, token: str, audiences: Sequence[str], now: datetime) -> Authenticated | None:
        """Whom a token stands for; None when nobody knows it, BadToken when it is no longer good."""
        if len(token) > TOKEN_BYTES_MAX:
            raise BadToken("the token is too long")
        problems: list[BadToken] = []
        for authenticator in self._tokens:
            try:
                found = authenticator.authenticate(token, audiences, now)
            except BadToken as error:
                problems.append(error)
                continue
            if found is not None:
                return Authenticated(authenticated(found.user), found.audiences)
        for problem in problems:
            if isinstance(problem, KeysWanted):
                raise problem
        if problems:
            raise BadToken(", ".join(str(problem) for problem in problems))
        return None
