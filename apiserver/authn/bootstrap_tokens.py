"""Bootstrap tokens, by which new nodes ask for their first certificate.

A token `abcdef.0123456789abcdef` is good while the Secret `kube-system/bootstrap-token-abcdef` holds
its second half, says that it is for authentication, and has not expired.

Source: kubernetes/plugin/pkg/auth/authenticator/token/bootstrap, k8s.io/cluster-bootstrap.
"""

from __future__ import annotations

import base64
import hmac
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.admission.interface import Lister
from apiserver.authn.authenticator import Authenticated
from apiserver.request import User
from wherry.api.model import parse_time
from wherry.api.scheme import BY_PLURAL

log = logging.getLogger(__name__)

TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"
GROUP = "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
_SECRETS = BY_PLURAL["", "v1", "secrets"]


class BootstrapTokens:
    """Knows the tokens that Secrets hold now."""

    def __init__(self, lister: Lister, api_audiences: Sequence[str]) -> None:
        self._lister = lister
        self._api_audiences = tuple(api_audiences)

    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        """As upstream, a token that is not good is one nobody knows: the reason is in the log."""
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        shared = tuple(one for one in self._api_audiences if one in (audiences or (one,)))
        if not shared:
            return None
        name = f"bootstrap-token-{parts[1]}"
        secret = self._lister.get(_SECRETS, NAMESPACE, name)
        if secret is None:
            return None
        wrong = problem(secret, parts[1], parts[2], now)
        if wrong:
            log.debug("bootstrap secret %s/%s matching bearer token %s", NAMESPACE, name, wrong)
            return None
        groups = _groups(_text(secret, "auth-extra-groups"))
        return Authenticated(User(f"system:bootstrap:{parts[1]}", groups=groups), shared)


def problem(secret: Mapping[str, Any], token_id: str, token_secret: str, now: datetime) -> str:
    """Why a Secret does not vouch for a token; "" when it does. Tells nothing of either."""
    if secret["metadata"].get("deletionTimestamp"):
        return "is deleted and awaiting removal"
    if secret.get("type") != TYPE or not secret.get("data"):
        return f"has invalid type, expected {TYPE}"
    if not hmac.compare_digest(_text(secret, "token-secret").encode(), token_secret.encode()):
        return "has invalid value for key token-secret"
    if _text(secret, "token-id") != token_id:
        return "has invalid value for key token-id"
    expiration = _text(secret, "expiration")
    if expiration:
        try:
            expired = now >= parse_time(expiration)
        except ValueError:
            return "has an expiration that is no time"
        if expired:
            return "has expired"
    if _text(secret, "usage-bootstrap-authentication") != "true":
        return "is not marked usage-bootstrap-authentication=true"
    if _groups(_text(secret, "auth-extra-groups")) == ():
        return "has invalid value for key auth-extra-groups"
    return ""


def _groups(text: str) -> tuple[str, ...]:
    """The user's groups in upstream's order; () when the Secret asks for one it must not have."""
    extra = set(text.split(",")) if text else set()
    if not all(_EXTRA_GROUP.fullmatch(group) for group in extra):
        return ()
    return tuple(sorted({GROUP, *extra}))


def _text(secret: Mapping[str, Any], key: str) -> str:
    """A key's value; "" when it is missing or no text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key, "")).decode()
    except ValueError:
        return ""
