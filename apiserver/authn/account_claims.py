"""What a verified service-account token says: whom it stands for, until when, what it dies with.

Source: kubernetes/pkg/serviceaccount/{claims,legacy}.go.
"""

from __future__ import annotations

import base64
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.authn.authenticator import BadToken
from apiserver.authn.certificates import CREDENTIAL_ID
from apiserver.authn.jose import audiences_of, seconds_of
from apiserver.authn.service_account import (
    CLAIM,
    LEGACY_ISSUER,
    groups,
    split_username,
    username,
)
from apiserver.request import User
from wherry.api.scheme import BY_PLURAL, Resource

INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
ACCOUNTS = BY_PLURAL["", "v1", "serviceaccounts"]
_EXTRA = "authentication.kubernetes.io"
_LEGACY = "kubernetes.io/serviceaccount"
_BINDABLE = {kind: BY_PLURAL["", "v1", f"{kind}s"] for kind in ("pod", "secret", "node")}


class Invalidated(BadToken):
    """The Secret that holds the token says that it is no longer to be used."""


@dataclass(slots=True)
class Bond:
    """One object a token dies with. `seen` is the state it was last found good in, until `ends`."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    held: bytes | None = None  # the token that a Secret must hold
    seen: object | None = None
    ends: float = math.inf


@dataclass(frozen=True, slots=True)
class Verified:
    """What a token that one of our keys signed says. Times in Unix seconds."""

    user: User
    audiences: tuple[str, ...]
    begins: float
    issued: float
    expires: float
    warns: float  # when it should have been exchanged for a newer one; 0 = does not matter
    bonds: tuple[Bond, ...]


def read(claims: dict[str, Any], token: str, *, lookup: bool = True) -> Verified:
    """What the claims mean. BadToken; KeyError, TypeError, ValueError when they make no sense."""
    if claims["iss"] == LEGACY_ISSUER:
        warns = 0.0
        user, bonds = _legacy(claims, token.encode())
        bonds = bonds if lookup else ()
        expires = seconds_of(claims, "exp") or math.inf
    else:
        user, bonds = _bound(claims)
        warns = seconds_of(claims[CLAIM], "warnafter") or 0.0
        expires = seconds_of(claims, "exp") or -math.inf
    begins, issued = seconds_of(claims, "nbf") or 0.0, seconds_of(claims, "iat") or 0.0
    return Verified(user, audiences_of(claims), begins, issued, expires, warns, bonds)


def _bound(claims: Mapping[str, Any]) -> tuple[User, tuple[Bond, ...]]:
    """Whom a bound token names and what it dies with."""
    private = claims[CLAIM]
    namespace, account = private["namespace"], private["serviceaccount"]
    bonds = [Bond(ACCOUNTS, namespace, account["name"], account["uid"])]
    extra: dict[str, tuple[str, ...]] = {}
    if claims.get("jti"):
        extra[CREDENTIAL_ID] = (f"JTI={claims['jti']}",)
    for kind, resource in _BINDABLE.items():
        bound = private.get(kind)
        if not bound:
            continue
        # A node beside a pod only says where the pod ran; the pod is what the token is bound to.
        if kind != "node" or not private.get("pod"):
            where = namespace if resource.namespaced else ""
            bonds.append(Bond(resource, where, bound["name"], bound["uid"]))
        if kind != "secret":
            extra[f"{_EXTRA}/{kind}-name"] = (bound["name"],)
            if bound.get("uid"):
                extra[f"{_EXTRA}/{kind}-uid"] = (bound["uid"],)
    name = username(namespace, account["name"])
    return User(name, account["uid"], groups(namespace), extra), tuple(bonds)


def _legacy(claims: Mapping[str, Any], token: bytes) -> tuple[User, tuple[Bond, ...]]:
    """The same of a token that a Secret holds."""
    namespace, name, uid, secret = (
        claims[f"{_LEGACY}/{part}"]
        for part in ("namespace", "service-account.name", "service-account.uid", "secret.name")
    )
    if not all((namespace, name, uid, secret)):
        raise BadToken("a claim of the token is missing")
    if split_username(claims["sub"]) != (namespace, name):
        raise BadToken("sub claim is invalid")
    bonds = (
        Bond(_BINDABLE["secret"], namespace, secret, "", held=token),
        Bond(ACCOUNTS, namespace, name, uid),
    )
    return User(username(namespace, name), uid, groups(namespace)), bonds


def check_held(secret: Mapping[str, Any], token: bytes) -> None:
    """BadToken unless the Secret holds this very token and nobody called it invalid."""
    held = base64.b64decode((secret.get("data") or {}).get("token", ""))
    if not hmac.compare_digest(held, token):
        raise BadToken("Token does not match server's copy")
    since = (secret["metadata"].get("labels") or {}).get(INVALID_SINCE)
    if since:
        raise Invalidated(f"the token in the secret has been marked invalid since {since}")


def other_uid(bond: Bond, uid: str) -> str:
    """What to say of an object that was made anew under the same name."""
    if bond.resource is ACCOUNTS:
        return f"service account UID ({uid}) does not match claim ({bond.uid})"
    kind = bond.resource.singular
    return f"{kind} UID ({uid}) does not match service account {kind} ref claim ({bond.uid})"
