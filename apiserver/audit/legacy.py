"""Upstream's old text form of an event (`--audit-log-format=legacy`): one line, a part of its fields.

Source: k8s.io/apiserver/pkg/audit/format.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from wherry.api.errors import go_quote


def legacy_line(event: bytes) -> bytes:
    """The line, without its end."""
    tree = orjson.loads(event)
    user, other = tree["user"], tree.get("impersonatedUser")
    groups = _list(user.get("groups", ())) if user.get("username") else ""
    as_user, as_groups = "<self>", "<lookup>"
    if other is not None:
        as_user = other["username"]
        as_groups = _list(other["groups"]) if "groups" in other else as_groups
    fields: Mapping[str, str] = {
        "id": tree["auditID"],
        "stage": tree["stage"],
        "ip": (tree.get("sourceIPs") or ["<unknown>"])[0],
        "method": tree["verb"],
        "user": user.get("username") or "<none>",
        "groups": groups or "<none>",
        "as": as_user,
        "asgroups": as_groups,
        "user-agent": tree.get("userAgent", ""),
        "namespace": tree.get("objectRef", {}).get("namespace") or "<none>",
        "uri": tree["requestURI"],
        "response": _code(tree.get("responseStatus")),
    }
    told = " ".join(f"{name}={go_quote(value)}" for name, value in fields.items())
    return f"{tree['requestReceivedTimestamp']} AUDIT: {told}".encode()


def _list(values: Sequence[str]) -> str:
    return ",".join(go_quote(value) for value in values)


def _code(status: Mapping[str, Any] | None) -> str:
    return "<deferred>" if status is None else str(status["code"])
