"""Bootstrap tokens and the ConfigMap `kube-public/cluster-info`. Pure.

A machine that joins knows a token and no certificate. It reads `cluster-info` from anybody who
answers, and believes it when it is signed with the token's secret: a detached JWS per token.

Source: pkg/controller/bootstrap/{bootstrapsigner,tokencleaner,jws}.go, cluster-bootstrap/token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from controller_manager.plan import NOTHING, Create, Delete, Plan, Update
from wherry.api.core_v1 import ConfigMap, Secret
from wherry.api.meta_v1 import ObjectMeta

SECRET_TYPE = "bootstrap.kubernetes.io/token"  # a kind of Secret, none itself
PREFIX = "bootstrap-token-"
NAMESPACE, PUBLIC = "kube-system", "kube-public"
CLUSTER_INFO, KUBECONFIG, SIGNATURE = "cluster-info", "kubeconfig", "jws-kubeconfig-"


@dataclass(frozen=True)
class Token:
    """A token that may sign."""

    ident: str
    secret: str


def _text(secret: Secret, key: str) -> str:
    return secret.data.get(key, b"").decode(errors="replace")


def expires(secret: Secret) -> datetime | None:
    """When a token ends; None when it never does or does not say it well."""
    text = _text(secret, "expiration")
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def is_over(secret: Secret, now: datetime) -> bool:
    """Past its end. One whose end cannot be read is over, as upstream has it."""
    end = expires(secret)
    return bool(_text(secret, "expiration")) and (end is None or end <= now)


def signing_token(secret: Secret, now: datetime) -> Token | None:
    """The token of a Secret if it is sound, not over, and meant to sign."""
    ident, value = _text(secret, "token-id"), _text(secret, "token-secret")
    sound = secret.type == SECRET_TYPE and secret.metadata.name == PREFIX + ident
    if not sound or not ident or not value or is_over(secret, now):
        return None
    return Token(ident, value) if _text(secret, "usage-bootstrap-signing") == "true" else None


def plan_cleaning(secret: Secret, now: datetime) -> Plan:
    """Delete a token that is over, or come back when it is."""
    if secret.type != SECRET_TYPE or not _text(secret, "expiration"):
        return NOTHING
    metadata = secret.metadata
    if is_over(secret, now):
        return Plan((Delete(Secret, metadata.namespace, metadata.name, metadata.uid),))
    end = expires(secret)
    return Plan(requeue_after=(end - now).total_seconds()) if end is not None else NOTHING


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def detached_signature(content: str, token: Token) -> str:
    """`header..signature`: an HS256 JWS of the content, which itself is left out."""
    header = _base64url(
        json.dumps({"alg": "HS256", "kid": token.ident}, separators=(",", ":")).encode()
    )
    message = f"{header}.{_base64url(content.encode())}".encode()
    return f"{header}..{_base64url(hmac.digest(token.secret.encode(), message, hashlib.sha256))}"


def cluster_kubeconfig(server: str, ca: str) -> str:
    """Where the cluster is and whom to trust: a kubeconfig without a user, as kubeadm writes it."""
    cluster = {
        "certificate-authority-data": base64.b64encode(ca.encode()).decode(), "server": server,
    }  # fmt: skip
    tree: dict[str, Any] = {
        "apiVersion": "v1",
        "clusters": [{"cluster": cluster, "name": ""}],
        "contexts": None,
        "current-context": "",
        "kind": "Config",
        "preferences": {},
        "users": None,
    }
    text: str = yaml.safe_dump(tree, sort_keys=True)
    return text


def plan_cluster_info(
    current: ConfigMap | None, secrets: Iterable[Secret], published: str, now: datetime
) -> Plan:
    """The ConfigMap with a signature of each token that signs.

    published: the kubeconfig to publish; "" = somebody else writes it, here it is only signed
    """
    if current is None and not published:
        return NOTHING
    held = dict(current.data) if current is not None else {}
    content = published or held.get(KUBECONFIG, "")
    data = {key: text for key, text in held.items() if not key.startswith(SIGNATURE)}
    if content:
        data[KUBECONFIG] = content
        for secret in secrets:
            token = signing_token(secret, now)
            if token is not None:
                data[SIGNATURE + token.ident] = detached_signature(content, token)
    if current is None:
        metadata = ObjectMeta(name=CLUSTER_INFO, namespace=PUBLIC)
        return Plan((Create(ConfigMap(metadata=metadata, data=data)),))
    return Plan((Update(current.with_(data=data)),)) if data != held else NOTHING
