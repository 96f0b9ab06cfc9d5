"""Registry credentials as Docker's header. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import orjson


def auth_header(auth: Mapping[str, str] | None) -> dict[str, str]:
    """`X-Registry-Auth` for {username, password, serveraddress}; empty without credentials."""
    if not auth:
        return {}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(orjson.dumps(dict(auth))).decode()}
