"""Bootstrap tokens as values: how one looks, the Secret that holds it, the line that a machine joins by.

A token is `id.secret`. Pure but for chance.

Source: k8s.io/cluster-bootstrap/token, cmd/kubeadm/app/apis/bootstraptoken.
"""

from __future__ import annotations

import base64
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

TYPE: Final = "bootstrap.kubernetes.io/token"
PREFIX: Final = "bootstrap-token-"
PATH: Final = "/api/v1/namespaces/kube-system/secrets"
TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
IDENT: Final = re.compile(r"[a-z0-9]{6}")
EXTRA_GROUP: Final = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
ALPHABET: Final = string.ascii_lowercase + string.digits
USAGES: Final = ("authentication", "signing")
GROUP: Final = "system:bootstrappers:kubeadm:default-node-token"
LIFE_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True)
class Token:
    """The two parts of a bootstrap token. ValueError when a text is none."""

    ident: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> Token:
        found = TOKEN.fullmatch(text)
        if found is None:
            raise ValueError(f'"{text}" is no token: it must look like abcdef.0123456789abcdef')
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"{self.ident}.{self.secret}"


def new_token() -> Token:
    return Token(_random(6), _random(16))


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def secret_of(
    token: Token,
    *,
    life_seconds: float = LIFE_SECONDS,
    description: str = "",
    groups: str = GROUP,
    usages: Sequence[str] = USAGES,
) -> dict[str, Any]:
    """The Secret that makes a token known, ready to be posted to `PATH`.

    life_seconds: how long it is good for; 0: for ever
    groups:       further groups of who shows it, by comma
    ValueError when a usage or group is none that there may be.
    """
    for usage in usages:
        if usage not in USAGES:
            raise ValueError(f'"{usage}" is no usage of a token: {" or ".join(USAGES)}')
    for group in filter(None, groups.split(",")):
        if not EXTRA_GROUP.fullmatch(group):
            raise ValueError(
                f'"{group}" is no group of a token: it must begin with system:bootstrappers:'
            )
    data = {
        "token-id": token.ident,
        "token-secret": token.secret,
        **({"auth-extra-groups": groups} if groups else {}),
        **({"description": description} if description else {}),
        **{f"usage-bootstrap-{one}": "true" for one in usages},
    }
    if life_seconds:
        ends = datetime.now(UTC) + timedelta(seconds=life_seconds)
        data["expiration"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": TYPE,
        "metadata": {"name": PREFIX + token.ident, "namespace": "kube-system"},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }


def join_line(host: str, token: Token, ca: bytes) -> str:
    """The command that makes another machine a node. `host`: host:port; `ca`: the authorities, PEM."""
    hashes = " ".join(f"--discovery-token-ca-cert-hash {one}" for one in key_hashes(ca))
    return f"wherry join {host} --token {token} {hashes}".rstrip()


def key_hashes(ca: bytes) -> list[str]:
    """`sha256:` of the public key of each authority: what a joining machine checks."""
    import hashlib

    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    found = []
    for one in x509.load_pem_x509_certificates(ca) if ca else ():
        key = one.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        found.append(f"sha256:{hashlib.sha256(key).hexdigest()}")
    return found
