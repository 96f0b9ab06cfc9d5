"""What a path asks for though nothing of the kind is served here. Pure.

It is authorized like any other: an answer that something does not exist is for those who may ask.

Source: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go, which knows no kinds either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from apiserver.authz.authorizer import Attributes
from apiserver.request import User

_VERBS: Final = {
    "POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch",
    "DELETE": "delete",
}  # fmt: skip
_OF_MANY: Final = {"get": "list", "delete": "deletecollection"}
_OF_NAMESPACES: Final = frozenset({"status", "finalize"})


def asked_in_vain(
    method: str, segments: Sequence[str], query: Mapping[str, str], user: User
) -> Attributes:
    """`segments` of a path below /api/<version> or /apis/<group>/<version>."""
    group = "" if segments[0] == "api" else segments[1]
    start = 1 if segments[0] == "api" else 2
    version, rest = segments[start], list(segments[start + 1 :])
    verb, namespace = _VERBS.get(method, ""), ""
    if len(rest) > 1 and rest[0] in ("watch", "proxy"):
        verb = rest.pop(0)
    if len(rest) > 1 and rest[0] == "namespaces":
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _OF_NAMESPACES:
            rest = rest[2:]
    resource, name, part = (*rest[:3], "", "", "")[:3]
    if not name:
        verb = _OF_MANY.get(verb, verb)
        if verb == "list" and query.get("watch", "").lower() not in ("", "0", "false"):
            verb = "watch"
    return Attributes(user, verb, namespace, group, version, resource, part, name)
