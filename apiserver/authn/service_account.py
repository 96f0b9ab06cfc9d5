"""Service accounts as users, and what the tokens made for them claim.

Whether a token is still good: `account_tokens.py`.

Source: kubernetes/pkg/serviceaccount/claims.go, registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jwt

from apiserver.authn.keys import SigningKey
from wherry.api.names import dns1123_label, dns1123_subdomain

PREFIX = "system:serviceaccount"
CLAIM = "kubernetes.io"
LEGACY_ISSUER = "kubernetes/serviceaccount"
# Kubelets ask for this; clients too old to reload tokens get a year, and a warning in the audit.
WARN_ONLY_SECONDS = 3607
EXTENDED_SECONDS = 365 * 24 * 3600


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
            names = bound["metadata"]  # a pod's node may be gone: then its name is all there is
            private[kind] = {key: names[key] for key in ("name", "uid") if names.get(key)}
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
