"""Service-account tokens: when one is still good, and whom it stands for.

A token is bound to its service account and mostly to a pod: it dies with them, by uid, although its
signature and expiry stay good. What a verified token claims is remembered under its digest, so a
request costs a digest and a look-up for each thing it is bound to; expiry and bindings are looked at
every time. Tokens of the old kind, kept in a Secret, have no expiry: they are good while the Secret
holds them.

Source: kubernetes/pkg/serviceaccount/{jwt,claims,legacy}.go.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from apiserver.admission.interface import Lister
from apiserver.authn.account_claims import (
    ACCOUNTS,
    Bond,
    Invalidated,
    Verified,
    check_held,
    other_uid,
    read,
)
from apiserver.authn.authenticator import Authenticated, BadToken
from apiserver.authn.jose import Unverified, is_signed, take_apart
from apiserver.authn.keys import PublicKey
from apiserver.authn.service_account import LEGACY_ISSUER
from apiserver.authn.token_uses import LAST_USED, TokenUses, Use
from wherry.api.errors import status_error
from wherry.api.model import parse_time
from wherry.api.scheme import Resource

# Clocks differ, and the pod of a deleted object may still be saying good-bye.
LEEWAY_SECONDS = 60.0
VERIFIED_MAX = 8192
_INVALIDATED = "service account token has been invalidated"

# Something that differs after each change of an object (its revision); None when that is gone.
State = Callable[[Resource, str, str], object | None]


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
        self._issuers = frozenset((*issuers, LEGACY_ISSUER))
        self._api_audiences = tuple(api_audiences)
        self._lister = lister
        self._state = state or lister.get
        self._lookup = lookup
        self._ready = ready
        self._uses = uses or TokenUses()
        self.trust(keys)

    def trust(self, keys: Sequence[PublicKey]) -> None:
        """Believe these from now on, and no token that another key signed."""
        self._keys = tuple(keys)
        self._by_id = {key.id: key for key in keys}
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()

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

    def _note_secret(self, bonds: Sequence[Bond], now: datetime) -> None:
        """Count and remember the use of a Secret's token."""
        for bond in bonds:
            if bond.held is not None:
                secret = self._lister.get(bond.resource, bond.namespace, bond.name)
                account = self._lister.get(ACCOUNTS, bond.namespace, bonds[-1].name)
                named = [one.get("name") for one in (account or {}).get("secrets") or ()]
                self._uses.count(Use.AUTO if bond.name in named else Use.MANUAL)
                labels = ((secret or {}).get("metadata") or {}).get("labels") or {}
                self._uses.held_by(bond.namespace, bond.name, labels.get(LAST_USED, ""), now)

    def _known(self, token: str) -> Verified | None:
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
            verified = read(parts.claims, token, lookup=self._lookup)
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

    def _look_at(self, bond: Bond, state: object | None) -> None:
        """Note how long the object is good for; BadToken when it is gone or another one.

        ApiError 503 while nothing can be told to be gone, as this server has just begun.
        """
        found = self._lister.get(bond.resource, bond.namespace, bond.name)
        if state is None or found is None:
            bond.seen = None
            if not self._ready():
                raise status_error("ServiceUnavailable", "the cache is not filled yet")
            if bond.resource is ACCOUNTS:
                raise BadToken(f'serviceaccounts "{bond.name}" not found')
            raise BadToken(_INVALIDATED)
        metadata = found["metadata"]
        if bond.held is not None:
            try:
                check_held(found, bond.held)
            except Invalidated:
                self._uses.count(Use.INVALID)
                raise
        elif metadata.get("uid") != bond.uid:
            raise BadToken(other_uid(bond, metadata.get("uid", "")))
        deleted = metadata.get("deletionTimestamp")
        bond.ends = math.inf
        if deleted:
            leeway = 0.0 if bond.held is not None else LEEWAY_SECONDS
            bond.ends = (parse_time(deleted) + timedelta(seconds=leeway)).timestamp()
        bond.seen = state
