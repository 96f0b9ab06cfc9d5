"""Service-account tokens: what they claim, how they are signed, and when they are still good.

A token is bound to its service account and mostly to a pod: it dies with them, by uid, although its
signature and expiry stay good. The checked claims of a token are remembered, so a request costs a
digest and two look-ups; expiry and binding are looked at on every request.

Source: kubernetes/pkg/serviceaccount/{jwt,claims}.go, registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt
from jwt.types import Options

from apiserver.admission.interface import Lister
from apiserver.authn.authenticator import Authenticated, BadToken
from apiserver.authn.keys import PublicKey, SigningKey
from apiserver.request import User
from wherry.api.model import parse_time
from wherry.api.names import dns1123_label, dns1123_subdomain
from wherry.api.scheme import BY_PLURAL

PREFIX = "system:serviceaccount"
CLAIM = "kubernetes.io"
LEGACY_ISSUER = "kubernetes/serviceaccount"
# A deleted object's tokens live on for this long: its pod may still be saying good-bye.
DELETION_LEEWAY = timedelta(seconds=60)
# Kubelets ask for this; clients too old to reload tokens get a year, and a warning in the audit.
WARN_ONLY_SECONDS = 3607
EXTENDED_SECONDS = 365 * 24 * 3600
VERIFIED_MAX = 8192
TOKEN_BYTES_MAX = 16 * 1024

_SERVICE_ACCOUNTS = BY_PLURAL["", "v1", "serviceaccounts"]
_BINDABLE = {kind: BY_PLURAL["", "v1", f"{kind}s"] for kind in ("pod", "secret", "node")}


def username(namespace: str, name: str) -> str:
    return f"{PREFIX}:{namespace}:{name}"


def groups(namespace: str) -> tuple[str, ...]:
    return (f"{PREFIX}s", f"{PREFIX}s:{namespace}")


def split_username(text: str) -> tuple[str, str] | None:
    """Namespace and name of a service account's username; None when it is none."""
    start = f"{PREFIX}:"
    parts = text.removeprefix(start).split(":")
    if not text.startswith(start) or len(parts) != 2:
        return None
    namespace, name = parts
    return None if dns1123_label(namespace) or dns1123_subdomain(name) else (namespace, name)


def claims_of(
    *,
    account: Mapping[str, Any],
    pod: Mapping[str, Any] | None = None,
    node: Mapping[str, Any] | None = None,
    secret: Mapping[str, Any] | None = None,
    issuer: str,
    audiences: Sequence[str],
    seconds: int,
    warn_after: int,
    now: datetime,
    token_id: str,
) -> dict[str, Any]:
    """The claims of a new token. The arguments named as kinds are decoded objects."""
    metadata = account["metadata"]
    issued = int(now.timestamp())
    private: dict[str, Any] = {"namespace": metadata["namespace"]}
    for kind, bound in (("node", node), ("pod", pod), ("secret", secret)):
        if bound is not None:
            private[kind] = {"name": bound["metadata"]["name"], "uid": bound["metadata"]["uid"]}
    private["serviceaccount"] = {"name": metadata["name"], "uid": metadata["uid"]}
    if warn_after:
        private["warnafter"] = issued + warn_after
    return {
        "aud": list(audiences),
        "exp": issued + seconds,
        "iat": issued,
        "iss": issuer,
        "jti": token_id,
        CLAIM: private,
        "nbf": issued,
        "sub": username(metadata["namespace"], metadata["name"]),
    }


def sign(claims: Mapping[str, Any], key: SigningKey) -> str:
    return jwt.encode(
        dict(claims), key.key, algorithm=key.algorithm, headers={"kid": key.id, "typ": None}
    )


class ServiceAccountTokens:
    """Verifies service-account tokens."""

    def __init__(
        self,
        keys: Sequence[PublicKey],
        issuers: Sequence[str],
        api_audiences: Sequence[str],
        lister: Lister,
    ) -> None:
        self._keys = {key.id: key for key in keys}
        self._issuers = frozenset(issuers)
        self._api_audiences = tuple(api_audiences)
        self._lister = lister
        self._verified: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        claims = self._claims(token)
        if claims is None:
            return None
        moment = now.timestamp()
        if moment > claims["exp"] or moment < claims.get("nbf", 0):
            raise BadToken("service account token has expired or is not valid yet")
        wanted = tuple(audiences) or self._api_audiences
        claimed = claims.get("aud") or ()
        shared = tuple(one for one in wanted if one in claimed)
        if not shared:
            raise BadToken(
                f"token audiences {claimed} is invalid for the target audiences {wanted}"
            )
        user = self._bound_user(claims[CLAIM], claims.get("jti", ""), now)
        return Authenticated(user, shared if audiences else ())

    def _claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that one of our keys signed; None when it is no token of ours."""
        if token.count(".") != 2 or len(token) > TOKEN_BYTES_MAX:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None:
            self._verified.move_to_end(digest)
            return known
        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
            key_id = jwt.get_unverified_header(token).get("kid", "")
        except jwt.InvalidTokenError:
            return None
        if unverified.get("iss") not in self._issuers:
            return None
        claims = self._verify(token, key_id)
        self._verified[digest] = claims
        while len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
        return claims

    def _verify(self, token: str, key_id: str) -> dict[str, Any]:
        keys = [self._keys[key_id]] if key_id in self._keys else list(self._keys.values())
        options: Options = {
            "verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False,
            "verify_sub": False, "require": ["iss", "sub", "exp"],
        }  # fmt: skip
        for key in keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, key.key, algorithms=[key.algorithm], options=options
                )
            except jwt.InvalidTokenError:
                continue
            if isinstance(claims.get(CLAIM), dict):
                return claims
        raise BadToken("no key of this server verifies the token")

    def _bound_user(self, private: Mapping[str, Any], token_id: str, now: datetime) -> User:
        """The account the claims name; BadToken when it or what it is bound to is gone."""
        namespace = private.get("namespace", "")
        account = private.get("serviceaccount") or {}
        name = account.get("name", "")
        self._must_live(_SERVICE_ACCOUNTS, namespace, account, now)
        extra: dict[str, tuple[str, ...]] = {}
        if token_id:
            extra["authentication.kubernetes.io/credential-id"] = (f"JTI={token_id}",)
        for kind, resource in _BINDABLE.items():
            bound = private.get(kind)
            if not bound:
                continue
            # A node beside a pod only says where the pod ran; the pod is what the token is bound to.
            if kind != "node" or not private.get("pod"):
                self._must_live(resource, namespace if resource.namespaced else "", bound, now)
            if kind in ("pod", "node"):
                extra[f"authentication.kubernetes.io/{kind}-name"] = (bound["name"],)
                extra[f"authentication.kubernetes.io/{kind}-uid"] = (bound["uid"],)
        return User(username(namespace, name), account.get("uid", ""), groups(namespace), extra)

    def _must_live(
        self, resource: Any, namespace: str, claimed: Mapping[str, Any], now: datetime
    ) -> None:
        found = self._lister.get(resource, namespace, claimed.get("name", ""))
        where = f"{resource.singular} {namespace}/{claimed.get('name', '')}"
        if found is None:
            raise BadToken(f"{where} of the token does not exist")
        metadata = found["metadata"]
        if metadata.get("uid") != claimed.get("uid"):
            raise BadToken(f"{where} of the token has been made anew")
        deleted = metadata.get("deletionTimestamp")
        if deleted and now > parse_time(deleted) + DELETION_LEEWAY:
            raise BadToken(f"{where} of the token has been deleted")
