"""Who calls the kubelet, and may they: certificate or TokenReview, then SubjectAccessReview.

The kubelet decides nothing itself. Answers of the API server are kept for upstream's times (tokens
2 min, allowed 5 min, denied 30 s); when it can't be asked the caller is refused.

Source: upstream's pkg/kubelet/server/auth.go and cmd/kubelet/app/auth.go.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from wherry.api.authentication_v1 import TokenReview, TokenReviewSpec
from wherry.api.authorization_v1 import (
    ResourceAttributes,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
)
from wherry.api.errors import ApiError
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

TOKEN_SECONDS = 120.0
ALLOWED_SECONDS = 300.0
DENIED_SECONDS = 30.0
CACHE_ENTRIES_MAX = 1024

_VERBS = {
    "GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete",
}  # fmt: skip
# Paths with a permission of their own; `nodes/proxy` stands for all of them.
_SUBRESOURCES = {
    "stats": ("stats",), "metrics": ("metrics",), "logs": ("log",), "spec": ("spec",),
    "pods": ("pods", "proxy"), "healthz": ("healthz", "proxy"), "configz": ("configz", "proxy"),
}  # fmt: skip

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True)
class Caller:
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()


def caller_of(certificate: Mapping[str, Any]) -> Caller | None:
    """The user of a verified certificate: CN is the name, each O a group."""
    name, groups = "", []
    for relative in certificate.get("subject", ()):
        for key, value in relative:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    return Caller(name, groups=(*groups, "system:authenticated")) if name else None


def permissions(method: str, path: str) -> tuple[str, tuple[str, ...]]:
    """The verb, and the subresources of `nodes` any one of which is enough."""
    first = path.lstrip("/").split("/", 1)[0]
    return _VERBS.get(method, ""), _SUBRESOURCES.get(first, ("proxy",))


class Kept(Generic[K, V]):
    """Answers for a while; the oldest go when there are too many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._held.get(key)
        return found[1] if found is not None and self._clock.monotonic() < found[0] else None

    def put(self, key: K, value: V, seconds: float) -> None:
        self._held[key] = (self._clock.monotonic() + seconds, value)
        self._held.move_to_end(key)
        if len(self._held) > CACHE_ENTRIES_MAX:
            self._held.popitem(last=False)


class Gate:
    """Asks the API server about callers."""

    def __init__(self, client: Client, node_name: str, clock: Clock) -> None:
        self._client = client
        self._node_name = node_name
        self._callers: Kept[bytes, Caller] = Kept(clock)
        self._verdicts: Kept[tuple[Caller, str, str], bool] = Kept(clock)

    async def caller(self, certificate: Mapping[str, Any] | None, token: str) -> Caller | None:
        """Who it is; None when nobody vouches for them."""
        if certificate is not None:
            named = caller_of(certificate)
            if named is not None:
                return named
        if not token:
            return None
        key = sha256(token.encode()).digest()
        known = self._callers.get(key)
        if known is not None:
            return known
        review = await self._client.create(TokenReview(spec=TokenReviewSpec(token=token)))
        if not review.status.authenticated:
            return None
        user = review.status.user
        caller = Caller(user.username, user.uid, tuple(user.groups))
        self._callers.put(key, caller, TOKEN_SECONDS)
        return caller

    async def may(self, caller: Caller, verb: str, subresources: tuple[str, ...]) -> bool:
        for subresource in subresources:
            if await self._may(caller, verb, subresource):
                return True
        return False

    async def _may(self, caller: Caller, verb: str, subresource: str) -> bool:
        key = (caller, verb, subresource)
        known = self._verdicts.get(key)
        if known is not None:
            return known
        review = SubjectAccessReview(
            spec=SubjectAccessReviewSpec(
                user=caller.name,
                uid=caller.uid,
                groups=list(caller.groups),
                resource_attributes=ResourceAttributes(
                    verb=verb,
                    version="v1",
                    resource="nodes",
                    subresource=subresource,
                    name=self._node_name,
                ),
            )
        )
        allowed = (await self._client.create(review)).status.allowed
        self._verdicts.put(key, allowed, ALLOWED_SECONDS if allowed else DENIED_SECONDS)
        return allowed


class Guard:
    """ASGI: lets through whom the gate admits; 401 and 403 worded as upstream's kubelet."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    async def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        scheme, _, token = HTTPConnection(scope).headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        method = scope.get("method", "GET")  # a WebSocket is a GET
        verb, subresources = permissions(method, scope["path"])
        try:
            caller = await self._gate.caller(scope["state"].get("certificate"), bearer)
            if caller is None:
                return PlainTextResponse("Unauthorized", 401)
            if await self._gate.may(caller, verb, subresources):
                return None
        except (ApiError, ApiUnavailable) as error:
            log.warning("caller not checked: %s", error)
            return PlainTextResponse("Authorization error", 500)
        named = f"user={caller.name}, verb={verb}, resource=nodes"
        text = f"Forbidden ({named}, subresource(s)=[{' '.join(subresources)}])"
        return PlainTextResponse(text, 403)
