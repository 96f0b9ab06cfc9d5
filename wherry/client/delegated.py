"""Who calls a daemon, and may they: certificate or TokenReview, then SubjectAccessReview.

A daemon decides nothing itself, it asks the API server, and keeps the answers for a while. When the
API server cannot be asked, the caller is refused. The kubelet guards its server with this, scheduler
and controller manager their health and metrics ports.

Source: k8s.io/apiserver/pkg/authentication/authenticatorfactory (delegating), plugin/pkg/authorizer/webhook.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar

from wherry.api.authentication_v1 import TokenReview, TokenReviewSpec, UserInfo
from wherry.api.authorization_v1 import (
    NonResourceAttributes,
    ResourceAttributes,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
)
from wherry.api.errors import ApiError
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.clock import Clock, SystemClock
from wherry.daemon.flags import Flags
from wherry.daemon.health import Asked, Refusal

log = logging.getLogger(__name__)

KEPT_MAX = 1024  # answers of each kind
REVIEWS_MAX = 16  # questions under way at once: who floods a daemon must not flood the API server
REVIEW_SECONDS_MAX = 10.0
TOKEN_BYTES_MAX = 16 * 1024
MASTERS = "system:masters"

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Unreviewed(Exception):
    """The API server could not be asked."""


@dataclass(frozen=True)
class Caller:
    """Who calls. `extra` is what else the API server told of them, as pairs."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Access(NamedTuple):
    """What is asked for: a resource's part, or a path when `resource` is empty."""

    verb: str
    path: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


@dataclass(frozen=True)
class Times:
    """How long answers are kept, in seconds; the defaults are the kubelet's."""

    tokens: float = 120.0
    allowed: float = 300.0
    denied: float = 30.0


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


def bearer_token(authorization: str) -> str:
    """The token of an `Authorization` header; "" when it is none."""
    scheme, _, rest = authorization.strip().partition(" ")
    return rest.split(" ", 1)[0] if scheme.lower() == "bearer" else ""


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
        if len(self._held) > KEPT_MAX:
            self._held.popitem(last=False)


class Delegated:
    """Asks the API server about callers."""

    def __init__(self, client: Client, clock: Clock, times: Times | None = None) -> None:
        self._client = client
        self._times = times or Times()
        self._callers: Kept[bytes, tuple[Caller | None]] = Kept(clock)
        self._verdicts: Kept[tuple[Caller, Access], bool] = Kept(clock)
        self._places = asyncio.Semaphore(REVIEWS_MAX)

    async def caller(self, certificate: Mapping[str, Any] | None, token: str) -> Caller | None:
        """Who it is; None when nobody vouches for them. Unreviewed."""
        if certificate is not None:
            named = caller_of(certificate)
            if named is not None:
                return named
        if not token or len(token) > TOKEN_BYTES_MAX:
            return None
        key = sha256(token.encode("utf-8", "replace")).digest()
        known = self._callers.get(key)
        if known is None:
            review = await self._ask(TokenReview(spec=TokenReviewSpec(token=token)))
            status = review.status
            known = (_named(status.user) if status.authenticated else None,)
            self._callers.put(key, known, self._times.tokens)
        return known[0]

    async def may(self, caller: Caller, access: Access) -> bool:
        """Whether the API server's authorizers allow it. Unreviewed."""
        if MASTERS in caller.groups:
            return True
        key = (caller, access)
        known = self._verdicts.get(key)
        if known is None:
            known = (await self._ask(_question(caller, access))).status.allowed
            seconds = self._times.allowed if known else self._times.denied
            self._verdicts.put(key, known, seconds)
        return known

    async def _ask(self, review: Any) -> Any:
        try:
            async with asyncio.timeout(REVIEW_SECONDS_MAX), self._places:
                return await self._client.create(review)
        except (ApiError, ApiUnavailable) as error:
            raise Unreviewed(str(error)) from error
        except TimeoutError as error:
            raise Unreviewed("the API server does not answer") from error


def _named(user: UserInfo) -> Caller:
    extra = tuple((key, tuple(values)) for key, values in user.extra.items())
    return Caller(user.username, user.uid, tuple(user.groups), extra)


def _question(caller: Caller, access: Access) -> SubjectAccessReview:
    spec = SubjectAccessReviewSpec(
        user=caller.name,
        uid=caller.uid,
        groups=list(caller.groups),
        extra={key: list(values) for key, values in caller.extra},
    )
    if access.resource:
        asked = ResourceAttributes(
            verb=access.verb,
            version="v1",
            resource=access.resource,
            subresource=access.subresource,
            name=access.name,
        )
        return SubjectAccessReview(spec=spec.with_(resource_attributes=asked))
    path = NonResourceAttributes(verb=access.verb, path=access.path)
    return SubjectAccessReview(spec=spec.with_(non_resource_attributes=path))


class HealthGuard:
    """Admits to a health and metrics port: everybody to some paths, the allowed to all others."""

    def __init__(self, delegated: Delegated, always_allow: Sequence[str]) -> None:
        self._delegated = delegated
        self._always = tuple(path.removeprefix("/") for path in always_allow)

    async def __call__(self, asked: Asked) -> Refusal | None:
        path = asked.path.removeprefix("/")
        if any(_matches(path, one) for one in self._always):
            return None
        verb = asked.method.lower()
        token = bearer_token(asked.headers.get("authorization", ""))
        try:
            caller = await self._delegated.caller(asked.certificate, token)
            if caller is None and token:
                return _refusal(401, "Unauthorized", "Unauthorized")
            if caller is not None and await self._delegated.may(caller, Access(verb, asked.path)):
                return None
        except Unreviewed as error:
            log.warning("caller not checked: %s", error)
            return _refusal(500, "InternalError", "the caller could not be checked")
        name = "system:anonymous" if caller is None else caller.name
        words = f'forbidden: User "{name}" cannot {verb} path "{asked.path}"'
        return _refusal(403, "Forbidden", words)


def _matches(path: str, pattern: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _refusal(code: int, reason: str, message: str) -> Refusal:
    status = {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": {}, "code": code,
    }  # fmt: skip
    return code, "application/json", json.dumps(status).encode()


def guard_flags(flags: Flags) -> None:
    """Upstream's flags of daemons that guard their port by asking the API server."""
    flags.text("--client-ca-file", help="authority of clients' certificates; empty = only tokens")
    flags.text("--authentication-kubeconfig", help="accepted; --kubeconfig is used to ask")
    flags.text("--authorization-kubeconfig", help="accepted; --kubeconfig is used to ask")
    flags.duration("--authentication-token-webhook-cache-ttl", 10.0, "how long answers are kept")
    flags.duration("--authorization-webhook-cache-authorized-ttl", 10.0, "the same for allowed")
    flags.duration("--authorization-webhook-cache-unauthorized-ttl", 10.0, "the same for denied")
    paths = ("/healthz", "/readyz", "/livez")
    flags.texts("--authorization-always-allow-paths", paths, "paths that everybody may ask for")
    headers = ("username-headers", "group-headers", "extra-headers-prefix", "allowed-names")
    flags.accepted(
        *(f"--requestheader-{what}" for what in ("client-ca-file", *headers)),
        *(f"--kube-api-{what}" for what in ("qps", "burst", "content-type")),
        "--profiling", "--contention-profiling", "--feature-gates", "--logging-format",
        "--log-flush-frequency", "--http2-max-streams-per-connection",
    )  # fmt: skip


def guard_of(values: Any, client: Client) -> HealthGuard:
    """The guard that the flags ask for."""
    times = Times(
        values.authentication_token_webhook_cache_ttl,
        values.authorization_webhook_cache_authorized_ttl,
        values.authorization_webhook_cache_unauthorized_ttl,
    )
    delegated = Delegated(client, SystemClock(), times)
    return HealthGuard(delegated, values.authorization_always_allow_paths)
