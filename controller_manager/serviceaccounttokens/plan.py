"""What becomes of a Secret of type `kubernetes.io/service-account-token`.

It names its account by an annotation. While the account is there it holds a token of it, the API
server's CA and its own namespace; when the account is gone, or is another one of the same name, so is
the Secret.

Source of the rules: upstream's pkg/controller/serviceaccount/tokens_controller.go.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from controller_manager.plan import NOTHING, Delete, Plan, Update
from wherry.api.core_v1 import Secret, ServiceAccount

TYPE = "kubernetes.io/service-account-token"
ACCOUNT = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
ISSUER = "kubernetes/serviceaccount"
TOKEN, CA, NAMESPACE = "token", "ca.crt", "namespace"
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def is_held(secret: Secret) -> bool:
    """Whether it is a Secret of ours to keep."""
    return secret.type == TYPE and bool(secret.metadata.annotations.get(ACCOUNT))


def belongs(secret: Secret, account: ServiceAccount | None) -> bool:
    """Whether this is the account that the Secret means."""
    if account is None:
        return False
    uid = secret.metadata.annotations.get(ACCOUNT_UID, "")
    return not uid or uid == account.metadata.uid


def plan_secret(
    secret: Secret,
    account: ServiceAccount | None,
    ca: str,
    token_of: Callable[[ServiceAccount, Secret], str],
) -> Plan:
    """Fill what is missing, or away with it. A token that is there stays as it is."""
    metadata = secret.metadata
    if metadata.deletion_timestamp is not None or not is_held(secret):
        return NOTHING
    if account is None or not belongs(secret, account):
        gone = Delete(Secret, metadata.namespace, metadata.name, metadata.uid)
        return Plan((gone,))
    data = dict(secret.data)
    wanted = {NAMESPACE: metadata.namespace, **({CA: ca} if ca else {})}
    data.update({key: text.encode() for key, text in wanted.items()})
    if not data.get(TOKEN):
        data[TOKEN] = token_of(account, secret).encode()
    notes = {**metadata.annotations, ACCOUNT_UID: account.metadata.uid}
    if data == secret.data and notes == metadata.annotations:
        return NOTHING
    return Plan((Update(secret.with_(metadata=metadata.with_(annotations=notes), data=data)),))


def claims_of(account: ServiceAccount, secret: Secret) -> dict[str, Any]:
    """What a token in a Secret says; it has no expiry and no audience."""
    prefix, metadata = "kubernetes.io/serviceaccount", account.metadata
    return {
        "iss": ISSUER,
        f"{prefix}/namespace": metadata.namespace,
        f"{prefix}/secret.name": secret.metadata.name,
        f"{prefix}/service-account.name": metadata.name,
        f"{prefix}/service-account.uid": metadata.uid,
        "sub": f"system:serviceaccount:{metadata.namespace}:{metadata.name}",
    }


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs service-account tokens, named as the API server names it."""

    id: str
    algorithm: str
    key: Any

    def token(self, account: ServiceAccount, secret: Secret) -> str:
        headers = {"kid": self.id, "typ": None}
        claims = claims_of(account, secret)
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers=headers)


def read_signer(path: Path) -> Signer:
    """The key of `--service-account-private-key-file`; OSError or ValueError when it is none."""
    key: Any = serialization.load_pem_private_key(path.read_bytes(), None)
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = "RS256"
    elif isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        algorithm = _CURVES[key.curve.name]
    else:
        raise ValueError("neither an RSA nor a NIST elliptic-curve key")
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = base64.urlsafe_b64encode(hashlib.sha256(der).digest())
    return Signer(digest.rstrip(b"=").decode(), algorithm, key)
