"""Service-account tokens: when one is still good, and whom it stands for.

A token is bound to its service account and mostly to a pod: it dies with them, by uid, although its
signature and expiry stay good. What a verified token claims is remembered under its digest, so a
request costs a digest and a look-up for each thing it is bound to; expiry and bindings are looked at
every time. Tokens of the old kind, kept in a Secret, have no expiry: they are good while the Secret
holds them.

Source: kubernetes/pkg/serviceaccount/{jwt,claims,legacy}.go.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apiserver.admission.interface import Lister
from apiserver.authn.authenticator import Authenticated, BadToken
from apiserver.authn.certificates import CREDENTIAL_ID
from apiserver.authn.jose import Unverified, audiences_of, is_signed, seconds_of, take_apart
from apiserver.authn.keys import PublicKey
from apiserver.authn.service_account import (
    CLAIM,
    LEGACY_ISSUER,
    groups,
    split_username,
    username,
)
from apiserver.authn.token_uses import LAST_USED, TokenUses, Use
from apiserver.request import User
from wherry.api.errors import status_error
from wherry.api.model import parse_time
from wherry.api.scheme import BY_PLURAL, Resource

# Clocks differ, and the pod of a deleted object may still be saying good-bye.
LEEWAY_SECONDS = 60.0
VERIFIED_MAX = 8192
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_EXTRA = "authentication.kubernetes.io"
_LEGACY = "kubernetes.io/serviceaccount"
_INVALIDATED = "service account token has been invalidated"

_ACCOUNTS = BY_PLURAL["", "v1", "serviceaccounts"]
_BINDABLE = {kind: BY_PLURAL["", "v1", f"{kind}s"] for kind in ("pod", "secret", "node")}

# Something that differs after each change of an object (its revision); None when that is gone.
State = Callable[[Resource, str, str], object | None]


class Invalidated(BadToken):
    """The Secret that holds the token says that it is no longer to be used."""


@dataclass(slots=True)
class _Bond:
    """One object a token dies with. `seen` is the state it was last found good in, until `ends`."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    held: bytes | None = None  # the token that a Secret must hold
    seen: object | None = None
    ends: float = math.inf


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a token that one of our keys signed says. Times in Unix seconds."""

    user: User
    audiences: tuple[str, ...]
    begins: float
    issued: float
    expires: float
    warns: float  # when it should have been exchanged for a newer one; 0 = does not matter
    bonds: tuple[_Bond, ...]


class AccountTokens:
    """Verifies service-account tokens.

    `lookup` False believes tokens of the old kind without their Secret, as upstream's flag has it.
    """

    def __init__(
        self,
        keys: Sequence[PublicKey],
        issuers: Sequence[str],
        api_audiences: Sequence[str],
        lister: Lister,
        *,
        state: State | None = None,
        lookup: bool = True,
        ready: Callable[[], bool] = lambda: True,
        uses: TokenUses | None = None,
    ) -> None:
        self._keys = tuple(keys)
        self._by_id = {key.id: key for key in keys}
        self._issuers = frozenset((*issuers, LEGACY_ISSUER))
        self._api_audiences = tuple(api_audiences)
        self._lister = lister
        self._state = state or lister.get
        self._lookup = lookup
        self._ready = ready
        self._uses = uses or TokenUses()
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        found = self._known(token)
        if found is None:
            return None
        moment = now.timestamp()
        if moment - LEEWAY_SECONDS > found.expires:
            raise BadToken("service account token has expired")
        if moment + LEEWAY_SECONDS < found.begins:
            raise BadToken("service account token is not valid yet")
        if moment + LEEWAY_SECONDS < found.issued:
            raise BadToken("service account token is issued in the future")
        wanted = tuple(audiences) or self._api_audiences
        claimed = found.audiences or self._api_audiences
        shared = tuple(one for one in claimed if one in wanted)
        if not shared:
            raise BadToken(
                f"token audiences {list(claimed)} is invalid for the target audiences {list(wanted)}"
            )
        for bond in found.bonds:
            state = self._state(bond.resource, bond.namespace, bond.name)
            if state is None or state != bond.seen:
                self._look_at(bond, state)
            if moment > bond.ends:
                raise BadToken(_INVALIDATED)
        if found.warns:
            self._uses.count(Use.STALE if moment > found.warns else Use.VALID)
        if not found.audiences:
            self._uses.count(Use.LEGACY)
            self._note_secret(found.bonds, now)
        return Authenticated(found.user, shared)

    def _note_secret(self, bonds: Sequence[_Bond], now: datetime) -> None:
        """Count and remember the use of a Secret's token."""
        for bond in bonds:
            if bond.held is not None:
                secret = self._lister.get(bond.resource, bond.namespace, bond.name)
                account = self._lister.get(_ACCOUNTS, bond.namespace, bonds[-1].name)
                named = [one.get("name") for one in (account or {}).get("secrets") or ()]
                self._uses.count(Use.AUTO if bond.name in named else Use.MANUAL)
                labels = ((secret or {}).get("metadata") or {}).get("labels") or {}
                self._uses.held_by(bond.namespace, bond.name, labels.get(LAST_USED, ""), now)

    def _known(self, token: str) -> _Verified | None:
        """What a token of ours says; None when it is no token of ours, BadToken when it lies."""
        digest = hashlib.sha256(token.encode("latin-1", "replace")).digest()
        known = self._verified.get(digest)
        if known is not None:
            self._verified.move_to_end(digest)
            return known
        parts = take_apart(token)
        if parts is None or parts.issuer not in self._issuers:
            return None
        self._check_signature(parts)
        try:
            verified = self._read(parts, token)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadToken("service account token claims make no sense") from error
        self._verified[digest] = verified
        while len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
        return verified

    def _check_signature(self, parts: Unverified) -> None:
        keys: Sequence[PublicKey] = self._keys
        if parts.key_id:
            named = self._by_id.get(parts.key_id)
            keys = () if named is None else (named,)
        if not keys:
            raise BadToken("invalid signature, no keys found")
        if not any(is_signed(parts, key.algorithm, key.key) for key in keys):
            raise BadToken("invalid signature")

    def _read(self, parts: Unverified, token: str) -> _Verified:
        claims = parts.claims
        if claims["iss"] == LEGACY_ISSUER:
            warns = 0.0
            user, bonds = _legacy(claims, token.encode())
            bonds = bonds if self._lookup else ()
            expires = seconds_of(claims, "exp") or math.inf
        else:
            user, bonds = _bound(claims)
            warns = seconds_of(claims[CLAIM], "warnafter") or 0.0
            expires = seconds_of(claims, "exp") or -math.inf
        begins, issued = seconds_of(claims, "nbf") or 0.0, seconds_of(claims, "iat") or 0.0
        return _Verified(user, audiences_of(claims), begins, issued, expires, warns, bonds)

    def _look_at(self, bond: _Bond, state: object | None) -> None:
        """Note how long the object is good for; BadToken when it is gone or another one.

        ApiError 503 while nothing can be told to be gone, as this server has just begun.
        """
        found = self._lister.get(bond.resource, bond.namespace, bond.name)
        if state is None or found is None:
            bond.seen = None
            if not self._ready():
                raise status_error("ServiceUnavailable", "the cache is not filled yet")
            if bond.resource is _ACCOUNTS:
                raise BadToken(f'serviceaccounts "{bond.name}" not found')
            raise BadToken(_INVALIDATED)
        metadata = found["metadata"]
        if bond.held is not None:
            try:
                _check_held(found, bond.held)
            except Invalidated:
                self._uses.count(Use.INVALID)
                raise
        elif metadata.get("uid") != bond.uid:
            raise BadToken(_other_uid(bond, metadata.get("uid", "")))
        deleted = metadata.get("deletionTimestamp")
        bond.ends = math.inf
        if deleted:
            leeway = 0.0 if bond.held is not None else LEEWAY_SECONDS
            bond.ends = (parse_time(deleted) + timedelta(seconds=leeway)).timestamp()
        bond.seen = state


def _other_uid(bond: _Bond, uid: str) -> str:
    if bond.resource is _ACCOUNTS:
        return f"service account UID ({uid}) does not match claim ({bond.uid})"
    kind = bond.resource.singular
    return f"{kind} UID ({uid}) does not match service account {kind} ref claim ({bond.uid})"


def _bound(claims: Mapping[str, Any]) -> tuple[User, tuple[_Bond, ...]]:
    """Whom a bound token names and what it dies with."""
    private = claims[CLAIM]
    namespace, account = private["namespace"], private["serviceaccount"]
    bonds = [_Bond(_ACCOUNTS, namespace, account["name"], account["uid"])]
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
            bonds.append(_Bond(resource, where, bound["name"], bound["uid"]))
        if kind != "secret":
            extra[f"{_EXTRA}/{kind}-name"] = (bound["name"],)
            if bound.get("uid"):
                extra[f"{_EXTRA}/{kind}-uid"] = (bound["uid"],)
    name = username(namespace, account["name"])
    return User(name, account["uid"], groups(namespace), extra), tuple(bonds)


def _legacy(claims: Mapping[str, Any], token: bytes) -> tuple[User, tuple[_Bond, ...]]:
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
        _Bond(_BINDABLE["secret"], namespace, secret, "", held=token),
        _Bond(_ACCOUNTS, namespace, name, uid),
    )
    return User(username(namespace, name), uid, groups(namespace)), bonds


def _check_held(secret: Mapping[str, Any], token: bytes) -> None:
    """BadToken unless the Secret holds this very token and nobody called it invalid."""
    held = base64.b64decode((secret.get("data") or {}).get("token", ""))
    if not hmac.compare_digest(held, token):
        raise BadToken("Token does not match server's copy")
    since = (secret["metadata"].get("labels") or {}).get(INVALID_SINCE)
    if since:
        raise Invalidated(f"the token in the secret has been marked invalid since {since}")
