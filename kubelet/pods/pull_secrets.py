"""Registry credentials out of imagePullSecrets. Pure.

Source: upstream's pkg/credentialprovider (config.json's `auths`, matched by registry and path).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from wherry.api.core_v1 import Secret

DOCKER_HUB = "index.docker.io"
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


def registry_of(image: str) -> str:
    """`host[:port]` of an image's registry."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return DOCKER_HUB if first in _HUB_NAMES else first
    return DOCKER_HUB


def credentials(image: str, secrets: Iterable[Secret]) -> tuple[dict[str, str], ...]:
    """What to try for this image, in the order of the secrets; wrong entries are skipped."""
    registry = registry_of(image)
    found = []
    for secret in secrets:
        for server, entry in _entries(secret).items():
            host = server.removeprefix("https://").removeprefix("http://").partition("/")[0]
            if (DOCKER_HUB if host in _HUB_NAMES else host) == registry:
                auth = _auth(entry, server)
                if auth is not None:
                    found.append(auth)
    return tuple(found)


def _entries(secret: Secret) -> Mapping[str, Mapping[str, Any]]:
    try:
        if ".dockerconfigjson" in secret.data:
            entries = orjson.loads(secret.data[".dockerconfigjson"]).get("auths", {})
        else:
            entries = orjson.loads(secret.data.get(".dockercfg", b"{}"))
    except (orjson.JSONDecodeError, AttributeError):
        return {}
    return {key: value for key, value in entries.items() if isinstance(value, dict)}


def _auth(entry: Mapping[str, Any], server: str) -> dict[str, str] | None:
    user, password = entry.get("username", ""), entry.get("password", "")
    if not user and entry.get("auth"):
        try:
            text = base64.b64decode(entry["auth"]).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        user, _, password = text.partition(":")
    return {"username": user, "password": password, "serveraddress": server} if user else None
