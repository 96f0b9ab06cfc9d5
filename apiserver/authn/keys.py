"""Service-account keys: read from PEM files, named by upstream's key ids, shown as a JWKS.

Source: kubernetes/pkg/serviceaccount/{jwt,openidmetadata}.go, client-go/util/keyutil.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import load_pem_x509_certificate

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies tokens."""

    id: str
    algorithm: str
    key: Any


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens."""

    id: str
    algorithm: str
    key: Any


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _public(key: Any) -> PublicKey:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return PublicKey(_encode(hashlib.sha256(der).digest()), _algorithm(key), key)


def _algorithm(key: Any) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise ValueError("neither an RSA nor a NIST elliptic-curve key")


def parse_public_keys(pem: bytes) -> list[PublicKey]:
    """The public keys in a PEM text (of private keys and certificates: their public halves)."""
    found = []
    for block in _BLOCK.finditer(pem):
        kind, text = block.group(1), block.group(0) + b"\n"
        if kind == b"EC PARAMETERS":
            continue
        if kind == b"CERTIFICATE":
            key: Any = load_pem_x509_certificate(text).public_key()
        elif b"PRIVATE KEY" in kind:
            private: Any = serialization.load_pem_private_key(text, None)
            key = private.public_key()
        else:
            key = serialization.load_pem_public_key(text)
        found.append(_public(key))
    if not found:
        raise ValueError("holds no PEM key")
    return found


def parse_signing_key(pem: bytes) -> SigningKey:
    """The private key in a PEM text."""
    for block in _BLOCK.finditer(pem):
        if b"PRIVATE KEY" in block.group(1):
            private: Any = serialization.load_pem_private_key(block.group(0) + b"\n", None)
            public = _public(private.public_key())
            return SigningKey(public.id, public.algorithm, private)
    raise ValueError("holds no PEM private key")


def read_public_keys(paths: Iterable[Path]) -> list[PublicKey]:
    """The keys of all files, each once."""
    keys = {key.id: key for path in paths for key in parse_public_keys(path.read_bytes())}
    return list(keys.values())


def jwks(keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The keys as /openid/v1/jwks shows them."""
    return {"keys": [_jwk(key) for key in keys]}


def _jwk(key: PublicKey) -> dict[str, Any]:
    common = {"use": "sig", "kid": key.id, "alg": key.algorithm}
    numbers = key.key.public_numbers()
    if isinstance(numbers, rsa.RSAPublicNumbers):
        return {
            **common,
            "kty": "RSA",
            "n": _encode(_big(numbers.n)),
            "e": _encode(_big(numbers.e)),
        }
    width = (key.key.curve.key_size + 7) // 8
    x, y = (_encode(one.to_bytes(width, "big")) for one in (numbers.x, numbers.y))
    return {**common, "kty": "EC", "crv": f"P-{key.key.curve.key_size}", "x": x, "y": y}


def _big(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
