"""A method and a path → what is asked for. Pure, and on every request's way: dict lookups only.

Percent-escapes are decoded per segment, so an escaped slash never becomes a separator; an empty
segment, `.` and `..` name nothing (404).

Source: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go; 404 and 405 as its router answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from apiserver.request import RequestInfo
from wherry.api.errors import ApiError, bad_request
from wherry.api.scheme import BY_PLURAL, Resource

QUERY_FIELDS_MAX = 1000
NO_QUERY: Mapping[str, str] = MappingProxyType({})

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SUBRESOURCE_VERBS = {**_OBJECT_VERBS, "POST": "create"}
# Whoever is behind answers these too; upstream knows no verb for OPTIONS.
_PROXY_VERBS = {**_SUBRESOURCE_VERBS, "HEAD": "get", "OPTIONS": ""}
_PROXY = re.compile(rb"/api/v1/(?:namespaces/[^/]+/(?:pods|services)|nodes)/[^/]+/proxy(?=/|$)")
_BAD_SEGMENTS = frozenset({"", ".", ".."})


def no_such_path() -> ApiError:
    """404 without saying what is missing: the path itself names nothing."""
    return _generic(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return _generic(405, "MethodNotAllowed", message)


def _generic(code: int, reason: str, message: str) -> ApiError:
    return ApiError(
        {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": {}, "code": code,
        }
    )  # fmt: skip


def proxied(raw_path: bytes) -> tuple[bytes, bytes] | None:
    """A path below a `proxy` subresource, cut behind `proxy`: what follows is not ours to read."""
    if b"/proxy" not in raw_path:
        return None
    found = _PROXY.match(raw_path)
    return None if found is None else (found[0], raw_path[found.end() :])


def split_path(raw_path: bytes) -> list[str]:
    """The path's decoded segments; one slash at the end is forgiven. ApiError 404 for the rest."""
    segments = raw_path.decode("ascii", "replace").strip("/").split("/")
    if raw_path.startswith(b"//") or raw_path.endswith(b"//"):
        raise no_such_path()
    if b"%" in raw_path:
        segments = [unquote(segment) for segment in segments]
        if any("/" in segment for segment in segments):
            raise no_such_path()
    if not _BAD_SEGMENTS.isdisjoint(segments):
        raise no_such_path()
    return segments


def parse_query(raw: bytes) -> Mapping[str, str]:
    """The last value of each parameter."""
    if not raw:
        return NO_QUERY
    try:
        text = raw.decode("ascii", "replace")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
    except ValueError as error:
        raise bad_request(f"invalid query: {error}") from error


def is_true(value: str | None) -> bool:
    """A boolean parameter as upstream reads it: present and neither `0` nor `false`."""
    return value is not None and value.lower() not in ("0", "false")


def parse_resource(
    method: str, path: str, segments: Sequence[str], query: Mapping[str, str]
) -> RequestInfo:
    """What a path below /api/<version> or /apis/<group>/<version> asks for; ApiError 404 or 405."""
    if segments[0] == "api":
        group, version, rest = "", segments[1], segments[2:]
    else:
        group, version, rest = segments[1], segments[2], segments[3:]
    watching = False
    if rest and rest[0] == "watch":  # the old form of ?watch=true
        watching, rest = True, rest[1:]
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and (group, version, rest[2]) in BY_PLURAL:
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        raise no_such_path()
    resource = BY_PLURAL.get((group, version, rest[0]))
    if resource is None or (namespace and not resource.namespaced):
        raise no_such_path()
    name, subresource = (*rest[1:], "", "")[:2]
    if subresource:
        verb = _subresource_verb(method, resource, namespace, subresource)
    elif name:
        verb = _object_verb(method, resource, namespace)
        if verb == "get" and watching:
            verb = "watch"
    else:
        verb = _collection_verb(method, resource, namespace)
        if verb == "list" and (watching or is_true(query.get("watch"))):
            verb = "watch"
    fields, labels = "", ""
    if query:
        fields, labels = query.get("fieldSelector", ""), query.get("labelSelector", "")
    return RequestInfo(verb, path, resource, namespace, name, subresource, fields, labels)


def _collection_verb(method: str, resource: Resource, namespace: str) -> str:
    everywhere = resource.namespaced and not namespace
    if everywhere and "list" not in resource.verbs:
        raise no_such_path()
    verb = _COLLECTION_VERBS.get(method, "")
    if verb not in resource.verbs or (everywhere and verb != "list"):
        raise method_not_allowed()
    return verb


def _object_verb(method: str, resource: Resource, namespace: str) -> str:
    if (resource.namespaced and not namespace) or "get" not in resource.verbs:
        raise no_such_path()
    verb = _OBJECT_VERBS.get(method, "")
    if verb not in resource.verbs:
        raise method_not_allowed()
    return verb


def _subresource_verb(method: str, resource: Resource, namespace: str, name: str) -> str:
    subresource = resource.subresource(name)
    if subresource is None or (resource.namespaced and not namespace):
        raise no_such_path()
    if name == "proxy" and method in _PROXY_VERBS:
        return _PROXY_VERBS[method]
    verb = _SUBRESOURCE_VERBS.get(method, "")
    if verb not in subresource.verbs:
        raise method_not_allowed()
    return verb
