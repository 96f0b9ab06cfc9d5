"""The encryption configuration: which resources are sealed, by which ciphers and keys.

An `EncryptionConfiguration` of apiserver.config.k8s.io/v1. Secrets in it are never shown: what is
wrong with one is said with REDACTED in its place.

Source: k8s.io/apiserver/pkg/apis/apiserver/validation/validation_encryption.go and
pkg/server/options/encryptionconfig.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from apiserver.storage.encryption.ciphers import (
    AesCbc,
    AesGcm,
    Cipher,
    Ciphers,
    Identity,
    Secretbox,
)
from wherry.api.errors import FieldError, invalid, required
from wherry.api.scheme import Resource
from wherry.daemon.files import Followed

API_VERSION: Final = "apiserver.config.k8s.io/v1"
LOOK_SECONDS: Final = 1.0  # between two looks at a file that is followed
AES_KEY_BYTES = (16, 24, 32)
BOX_KEY_BYTES = (32,)
_KEYED: Mapping[str, tuple[Callable[[str, bytes], Cipher], tuple[int, ...]]] = {
    "aesgcm": (AesGcm, AES_KEY_BYTES),
    "aescbc": (AesCbc, AES_KEY_BYTES),
    "secretbox": (Secretbox, BOX_KEY_BYTES),
}
_PROVIDERS = (*_KEYED, "identity", "kms")
_NOT_REST = frozenset({"apiserveripinfo", "serviceipallocations", "servicenodeportallocations"})

Group = tuple[tuple[str, ...], Ciphers]


class EncryptionRules:
    """Which ciphers a resource's values are sealed with; the first entry that names it counts."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = tuple(groups)

    def of(self, resource: Resource) -> Ciphers | None:
        """None when the resource is stored as it is."""
        return next(
            (
                ciphers
                for names, ciphers in self._groups
                if any(_covers(name, resource) for name in names)
            ),
            None,
        )


def _covers(name: str, resource: Resource) -> bool:
    plural, group = _parts(name)
    if plural == "*" and group == "*":
        return True
    return group == resource.group and plural in ("*", resource.plural)


def _parts(name: str) -> tuple[str, str]:
    plural, _, group = name.partition(".")
    return plural, group


def rules_of(file: Path) -> Followed[EncryptionRules]:
    """The rules of a file, which may be followed. ValueError and OSError, none shows a secret."""
    what = "the rules of --encryption-provider-config"
    return Followed(what, [file], lambda: parse_encryption(file.read_text()))


def parse_encryption(text: str) -> EncryptionRules:
    """A configuration file, YAML or JSON. ValueError says all that is wrong, and no secret."""
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error's own text shows lines of the file
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"the encryption configuration is no YAML{where}") from None
    if not isinstance(tree, dict):
        raise ValueError("the encryption configuration is empty or no object")
    found = (tree.get("kind"), tree.get("apiVersion"))
    if found != ("EncryptionConfiguration", API_VERSION):
        raise ValueError(f"got unexpected config type: {found[1]}, Kind={found[0]}")
    _known(tree, {"kind", "apiVersion", "resources"}, "")
    entries = _objects(tree, "resources", "")
    if not entries:
        raise ValueError("resources: Required value: at least one resources is required")
    errors: list[FieldError] = []
    groups: list[Group] = []
    for index, entry in enumerate(entries):
        path = f"resources[{index}]"
        _known(entry, {"resources", "providers"}, path)
        names = _names(entry, path)
        errors += _name_errors(names, f"{path}.resources")
        ciphers = _ciphers(_objects(entry, "providers", path), f"{path}.providers", errors)
        if ciphers:
            groups.append((tuple(names), Ciphers(ciphers)))
    if errors:
        raise ValueError("; ".join(map(str, errors)))
    return EncryptionRules(groups)


def _ciphers(
    providers: Sequence[Mapping[str, Any]], path: str, errors: list[FieldError]
) -> list[Cipher]:
    if not providers:
        errors.append(required(path, f"at least one {path} is required"))
    ciphers: list[Cipher] = []
    for index, provider in enumerate(providers):
        at = f"{path}[{index}]"
        _known(provider, set(_PROVIDERS), at)
        if len(provider) != 1:
            words = (
                "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, "
                "Secretbox, Identity"
                if not provider
                else "more than one provider specified in a single element, should split into "
                "different list elements"
            )
            errors.append(invalid(at, sorted(provider), words))
            continue
        (kind,) = provider
        if kind == "identity":
            ciphers.append(Identity())
        elif kind == "kms":
            errors.append(invalid(f"{at}.kms", "", "KMS plug-ins are not supported here"))
        else:
            ciphers += _keyed(kind, provider[kind], f"{at}.{kind}.keys", errors)
    return ciphers


def _keyed(kind: str, config: Any, path: str, errors: list[FieldError]) -> list[Cipher]:
    make, sizes = _KEYED[kind]
    keys = _objects(config if isinstance(config, dict) else {}, "keys", path)
    if not keys:
        errors.append(required(path, "at least one keys is required"))
    ciphers = []
    for index, key in enumerate(keys):
        at = f"{path}[{index}]"
        _known(key, {"name", "secret"}, at)
        name, secret = key.get("name"), key.get("secret")
        if not name or not isinstance(name, str):
            errors.append(required(f"{at}.name", "name is a mandatory field for a key"))
        if not secret or not isinstance(secret, str):
            errors.append(required(f"{at}.secret", "secret is a mandatory field for a key"))
            continue
        try:
            data = base64.b64decode(secret, validate=True)
        except (binascii.Error, ValueError):
            errors.append(invalid(f"{at}.secret", "REDACTED", "secrets must be base64 encoded"))
            continue
        if len(data) not in sizes:
            words = f"secret is not of the expected length, got {len(data)}, expected one of "
            words += f"[{' '.join(map(str, sizes))}]"
            errors.append(invalid(f"{at}.secret", "REDACTED", words))
        elif isinstance(name, str) and name:
            ciphers.append(make(name, data))
    return ciphers


def _name_errors(names: Sequence[str], path: str) -> list[FieldError]:
    errors = []
    if not names:
        errors.append(required(path, f"at least one {path} is required"))
    for index, name in enumerate(names):
        problem = _name_problem(name)
        if problem:
            errors.append(invalid(f"{path}[{index}]", name, problem))
    parts = [_parts(name) for name in names]
    if len(set(parts)) < len(parts):
        words = "the same resource cannot be specified multiple times"
        errors.append(invalid(path, list(names), words))
    if _overlap(sorted(set(parts))):
        words = (
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is "
            "not allowed as they will be masked"
        )
        errors.append(invalid(path, list(names), words))
    return errors


def _overlap(parts: Sequence[tuple[str, str]]) -> bool:
    if ("*", "*") in parts:
        return len(parts) > 1
    whole = {group for plural, group in parts if plural == "*"}
    return any(plural != "*" and group in whole for plural, group in parts)


def _name_problem(name: str) -> str:
    plural, group = _parts(name)
    if name != name.lower():
        return "resource name should not contain capital letters"
    if name == "*":
        return (
            "use '*.' to encrypt all the resources from core API group or *.* to encrypt all "
            "resources"
        )
    if name in _NOT_REST:
        return "resources which do not have REST API/s cannot be encrypted"
    if group == "events.k8s.io":
        return (
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use "
            "'events' instead in the config file"
        )
    if group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    if group == "*" and plural != "*":
        return "encrypting the same resource across groups is not supported"
    return ""


def _names(entry: Mapping[str, Any], path: str) -> list[str]:
    found = entry.get("resources") or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{path}.resources is not a list of names")
    return found


def _objects(tree: Mapping[str, Any], name: str, path: str) -> list[dict[str, Any]]:
    found = tree.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{path}.{name} is not a list of objects".lstrip("."))
    return found


def _known(tree: Mapping[str, Any], fields: set[str], path: str) -> None:
    for name in tree:
        if name not in fields:
            raise ValueError(
                f"strict decoding error: unknown field {f'{path}.{name}'.lstrip('.')!r}"
            )
