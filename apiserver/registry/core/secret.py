"""Secrets: `stringData` becomes `data`, and each known type has keys it must have.

Source: pkg/registry/core/secret/strategy.go, ValidateSecret of pkg/apis/core/validation.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.codec.body import go_kind
from apiserver.registry.core.configmap import SIZE_MAX, decoded_size, frozen_changes
from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import immutable, invalids
from wherry.api import names
from wherry.api.core_v1 import Secret
from wherry.api.errors import FieldError, invalid, required, too_long
from wherry.api.scheme import resource_of

OPAQUE: Final = "Opaque"
SERVICE_ACCOUNT_TOKEN: Final = "kubernetes.io/service-account-token"
SERVICE_ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
TLS: Final = "kubernetes.io/tls"
_REQUIRED_KEYS: Final[Mapping[str, tuple[str, ...]]] = {TLS: ("tls.crt", "tls.key")}
_JSON_KEY: Final[Mapping[str, str]] = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


# Python's words for what is amiss in JSON, and Go's.
_EXPECTED: Final = {
    "Expecting value": "looking for beginning of value",
    "property name": "looking for beginning of object key string",
    "':' delimiter": "after object key",
    "',' delimiter": "after object key:value pair",
    "Extra data": "after top-level value",
}


class SecretStrategy(Strategy):
    """A Secret's type is chosen once."""

    resource = resource_of(Secret)
    columns = (
        NAME,
        Column("Type", description="What the secret is for."),
        Column("Data", description="How many keys it has."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        if strings := tree.pop("stringData", None):
            data = tree.setdefault("data", {})
            for key, value in strings.items():
                data[key] = base64.b64encode(value.encode()).decode()
        if not tree.get("type"):
            tree["type"] = OPAQUE

    def validate(self, tree: Tree) -> list[FieldError]:
        data = tree.get("data", {})
        errors: list[FieldError] = []
        for key in data:
            errors += invalids(f"data[{key}]", key, names.config_key(key))
        if sum(decoded_size(value) for value in data.values()) > SIZE_MAX:
            errors.append(too_long("data", SIZE_MAX))
        return errors + _typed(tree, data)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors = immutable(tree.get("type"), old.get("type"), "type")
        errors += frozen_changes(tree, old, ("data",))
        return errors + self.validate(tree)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        if tree.get("type") != TLS:
            return []
        data = tree.get("data", {})
        problem = _key_pair_problem(data.get("tls.crt", ""), data.get("tls.key", ""))
        return [problem] if problem else []

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        return {"type": tree.get("type", "")}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        count = len(tree.get("data", ()))
        return tree["metadata"]["name"], tree.get("type", ""), count, created(tree, now)


def _typed(tree: Mapping[str, Any], data: Mapping[str, str]) -> list[FieldError]:
    """What a Secret's type asks of its keys."""
    kind = tree.get("type", "")
    if kind == SERVICE_ACCOUNT_TOKEN:
        annotations = tree["metadata"].get("annotations", {})
        if annotations.get(SERVICE_ACCOUNT_NAME):
            return []
        return [required(f"metadata.annotations[{SERVICE_ACCOUNT_NAME}]")]
    if kind in _JSON_KEY:
        return _json_key(data, _JSON_KEY[kind])
    if kind == "kubernetes.io/basic-auth" and not ("username" in data or "password" in data):
        return [required("data[username]"), required("data[password]")]
    if kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        return [required("data[ssh-privatekey]")]
    return [required(f"data[{key}]") for key in _REQUIRED_KEYS.get(kind, ()) if key not in data]


def _json_key(data: Mapping[str, str], key: str) -> list[FieldError]:
    if key not in data:
        return [required(f"data[{key}]")]
    problem = _json_problem(base64.b64decode(data[key]).decode(errors="replace"))
    return [invalid(f"data[{key}]", "<secret contents redacted>", problem)] if problem else []


def _json_problem(text: str) -> str:
    """Why a text is no JSON object, as Go's encoding/json says it; "" when it is one."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        if not text[error.pos :].strip():
            return "unexpected end of JSON input"
        where = next((said for met, said in _EXPECTED.items() if met in error.msg), "in literal")
        return f"invalid character '{text[error.pos :].lstrip()[0]}' {where}"
    except RecursionError:
        return "exceeded max depth"
    if isinstance(found, dict) or found is None:
        return ""
    return (
        f"json: cannot unmarshal {go_kind(found)} into Go value of type map[string]interface {{}}"
    )


def _key_pair_problem(certificate: str, key: str) -> str:
    """Why these two are no TLS key pair, as Go's crypto/tls says it; "" when they are one."""
    # Only writes of TLS secrets come here; the import is too heavy for everybody else's start.
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    pem, key_pem = base64.b64decode(certificate), base64.b64decode(key)
    if b"-----BEGIN" not in pem:
        return "tls: failed to find any PEM data in certificate input"
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        return 'tls: failed to find "CERTIFICATE" PEM block in certificate input'
    if b"-----BEGIN" not in key_pem:
        return "tls: failed to find any PEM data in key input"
    try:
        public = x509.load_pem_x509_certificate(pem).public_key()
        private = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        return f"tls: failed to parse the key pair: {error}"
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if public.public_bytes(*form) != private.public_key().public_bytes(*form):
        return "tls: private key does not match public key"
    return ""
