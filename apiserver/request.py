"""What a request is, once the HTTP shell has read its line and headers; and what answers it.

These few values are all that passes between the rooms of the API server:
shell → authn → authz → handler → admission → registry → storage → encoder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wherry.api.scheme import Resource


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. Source: user.Info of k8s.io/apiserver."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a path and method mean.

    verb: get, list, watch, create, update, patch, delete, deletecollection; for non-resource
          paths the lower-case HTTP method.
    resource is None for non-resource paths (and `path` is then what authorization looks at).
    field_selector, label_selector: what a list, watch or deletecollection is limited to, as the
          client wrote it
    """

    verb: str
    path: str
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(slots=True)
class RequestContext:
    """One request on its way through the rooms. Only the last two are ever added to.

    query:  the last value of every query parameter, unquoted
    accept: the Accept header, "" when absent
    now:    when the request arrived (UTC), the only clock a handler or strategy looks at
    impersonator: who really asks, when `user` is whom they act as; for the audit only
    audit_annotations: what admission notes for the audit log
    """

    info: RequestInfo
    user: User
    query: Mapping[str, str]
    accept: str
    content_type: str
    user_agent: str
    now: datetime
    impersonator: User | None = None
    warnings: list[str] = field(default_factory=list)
    audit_annotations: dict[str, str] = field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        assert self.info.resource is not None, "a handler of resources got a non-resource path"
        return self.info.resource

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be stored; the handler has checked that the value is `All`."""
        return bool(self.query.get("dryRun"))

    @property
    def field_manager(self) -> str:
        """Who owns the fields this request sets: `fieldManager`, else the User-Agent's first token."""
        return self.query.get("fieldManager") or self.user_agent.partition("/")[0]


@dataclass(slots=True)
class Response:
    """An answer: a body of ready bytes, or a stream of chunks (lists, watches, logs)."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
