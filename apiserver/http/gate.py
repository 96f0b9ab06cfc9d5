"""The first two rooms of a request: who asks, and whether they may.

What a credential means is `authn`'s, what a user may do is `authz`'s; here the two meet a request.
"""

from __future__ import annotations

from datetime import datetime
from time import perf_counter

from apiserver.authn import impersonation, websocket_token
from apiserver.authn.authenticator import (
    ANONYMOUS,
    Authenticator,
    KeysWanted,
    Question,
    unauthorized,
)
from apiserver.authn.impersonation_modes import Impersonation
from apiserver.authz.attempts import Attempts
from apiserver.authz.authorizer import (
    AlwaysAllow,
    Attributes,
    Authorizer,
    Union,
    attributes_of,
    refusal,
)
from apiserver.http.exchange import Exchange, first_of_each
from apiserver.request import RequestInfo, User

# What everybody may ask, as upstream's default roles have it.
DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"
PUBLIC_PATHS = frozenset({"healthz", "livez", "readyz", "version"})


class Gate:
    """Who asks, and whether they may.

    While everybody may do everything, nobody is anonymous (401), as upstream has it; only the paths
    that tell health and version answer to whoever asks.
    """

    def __init__(
        self, authenticator: Authenticator, authorizer: Authorizer, attempts: Attempts
    ) -> None:
        self.authenticator = authenticator
        self.authorizer = authorizer
        self._attempts = attempts
        self._always = isinstance(authorizer, AlwaysAllow)
        self._impersonation = Impersonation(self.check)
        self.may_wait = isinstance(authorizer, Union) and authorizer.may_wait

    def user(self, exchange: Exchange, now: datetime) -> User:
        """Who asks; ApiError 401. KeysWanted when that can be told in a moment, if it may wait."""
        scope = exchange.scope
        path: str = scope["path"]
        authorization = exchange.headers.get(b"authorization")
        if authorization is None and websocket_token.is_offered(exchange.headers):
            authorization = _from_handshake(exchange)
        question = Question(path, authorization, scope["headers"])
        try:
            user = self.authenticator.user(exchange.connection, question, now)
        except KeysWanted as error:
            if exchange.may_wait:
                raise
            raise unauthorized() from error
        if user is ANONYMOUS and self._always and path.split("/", 2)[1] not in PUBLIC_PATHS:
            raise unauthorized()
        return user

    def impersonated(
        self, exchange: Exchange, asking: User, about: RequestInfo | Attributes
    ) -> User | None:
        """As whom the asking user wants to be taken for this request; None when as themselves.

        ApiError 403 when they may not be all of that user, 400 when the headers name none.
        """
        fields = exchange.scope["headers"]
        if not impersonation.is_asked_for(fields):
            return None
        wanted = impersonation.wanted(fields)
        if wanted is None:
            return None
        asked = attributes_of(about, asking) if isinstance(about, RequestInfo) else about
        user, constraint = self._impersonation.user(wanted, asked)
        if constraint and exchange.record is not None:
            exchange.record.constrain(constraint)
        return user

    def check(self, attributes: Attributes) -> None:
        """ApiError 403 when the user may not; for what is asked beside, or is not served."""
        decision = self.authorizer.authorize(attributes)
        if not decision.allowed:
            raise refusal(attributes, decision)

    def authorize(self, info: RequestInfo, user: User, notes: dict[str, str] | None = None) -> None:
        """ApiError 403 when the user may not. `notes` are the audit's: what was decided, and why."""
        if self._always:
            self._attempts.add(0.0, allowed=True)
            if notes is not None:
                notes.update({DECISION: "allow", REASON: ""})
            return
        began = perf_counter()
        attributes = attributes_of(info, user)
        decision = self.authorizer.authorize(attributes)
        self._attempts.add(perf_counter() - began, allowed=decision.allowed)
        if notes is not None:
            notes[DECISION] = "allow" if decision.allowed else "forbid"
            notes[REASON] = decision.reason
        if not decision.allowed:
            raise refusal(attributes, decision)


def _from_handshake(exchange: Exchange) -> bytes:
    """The token of a WebSocket handshake as a header would have it; it leaves the request."""
    try:
        token, fields = websocket_token.taken_out(exchange.scope["headers"])
    except ValueError as error:
        raise unauthorized() from error
    authorization = f"Bearer {token}".encode("latin-1", "replace")
    # An outside issuer's keys may be a moment away: then this request is asked again.
    fields.append((b"authorization", authorization))
    exchange.scope["headers"] = fields
    exchange.headers = first_of_each(fields)
    return authorization
