"""One request's audit events: what is known of it, stage by stage, as JSON.

A `Record` is made when the request's policy level is known and gathers what the rooms learn. Events
of level Metadata are encoded at once, which costs some microseconds; bodies, which may be large, are
put in by the thread that writes (`Whole.render`), so that no request waits for that.

Source: k8s.io/apiserver/pkg/apis/audit/v1 (Event) and pkg/audit (how it is filled).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import yaml

from apiserver.audit.policy import (
    COMPLETE,
    LEVELS,
    PANIC,
    RECEIVED,
    REQUEST,
    REQUEST_RESPONSE,
    STARTED,
    Decision,
)
from apiserver.request import RequestInfo, User

USER_AGENT_CHARACTERS_MAX = 1024
TRUNCATED: Final = "audit.k8s.io/truncated"
CLOSED_EARLY: Final = {
    "metadata": {}, "status": "Success", "message": "Connection closed early", "code": 200,
}  # fmt: skip
_STATUS_FIELDS = ("status", "message", "reason", "details", "code")
_STATUS = b'{"kind":"Status",'  # as our own answers begin
_NAMED = frozenset({"create", "update", "patch"})
# Where our own answers say an object's name and uid; a name has nothing that JSON escapes.
_IDENTITY = re.compile(
    rb'"metadata":\{(?:"resourceVersion":"\d*",)?"name":"([^"\\]+)",(?:"generateName":"[^"\\]*",)?'
    rb'(?:"namespace":"[^"\\]*",)?"uid":"([^"\\]+)"'
)
_IDENTITY_BYTES_MAX = 1024

Emit = Callable[["bytes | Whole"], None]


class Body:
    """Bytes of a request or answer, as they went over the wire."""

    __slots__ = ("content_type", "data")

    def __init__(self, data: bytes, content_type: str) -> None:
        self.data = data
        self.content_type = content_type

    def tree(self) -> Any:
        """What they say; ValueError when it can't be read."""
        if "yaml" in self.content_type:
            try:
                return yaml.safe_load(self.data)
            except yaml.YAMLError as error:
                raise ValueError(str(error)) from error
        return orjson.loads(self.data)


class Whole:
    """An event with bodies, encoded by whoever writes it. `head` is the event without them."""

    __slots__ = ("_rendered", "head", "omit_managed_fields", "request", "response")

    def __init__(
        self, head: bytes, request: Body | None, response: Body | None, omit_managed_fields: bool
    ) -> None:
        self.head = head
        self.request = request
        self.response = response
        self.omit_managed_fields = omit_managed_fields
        self._rendered: bytes | None = None

    def size(self) -> int:
        """About how many bytes it keeps."""
        return sum(len(body.data) for body in (self.request, self.response) if body is not None)

    def render(self) -> bytes:
        """The whole event, on one line; a body that is no JSON or YAML is left out."""
        if self._rendered is None:
            parts = [self.head[:-1]]
            for name, body in (
                (b"requestObject", self.request),
                (b"responseObject", self.response),
            ):
                shown = self._shown(body)
                if shown is not None:
                    parts += (b',"', name, b'":', shown)
            self._rendered = b"".join((*parts, b"}"))
        return self._rendered

    def _shown(self, body: Body | None) -> bytes | None:
        if body is None or not body.data:
            return None
        try:
            tree = body.tree()
            if self.omit_managed_fields:
                _without_managed_fields(tree)
            return orjson.dumps(tree)
        except (ValueError, TypeError):
            return None


def rendered(event: bytes | Whole) -> bytes:
    """An event's bytes. Not for the event loop."""
    return event if isinstance(event, bytes) else event.render()


def bare(event: bytes | Whole) -> bytes:
    """An event too large to be kept, without its bodies and marked so."""
    tree = orjson.loads(event if isinstance(event, bytes) else event.head)
    tree["annotations"] = {**tree.get("annotations", {}), TRUNCATED: "true"}
    return orjson.dumps(tree)


class Record:
    """What is known of one audited request. The rooms fill it; each stage is emitted once.

    annotations: what authorization and admission say; shared with the request's context
    said: the Status that was answered: an error's, or a deletion's
    """

    __slots__ = (
        "_decision", "_emit", "_event", "_now", "annotations", "audit_id", "live", "request",
        "response", "said", "wants_request", "wants_response",
    )  # fmt: skip

    def __init__(
        self,
        decision: Decision,
        event: dict[str, Any],
        emit: Emit,
        now: Callable[[], datetime],
    ) -> None:
        self._decision = decision
        self._event = event
        self._emit = emit
        self._now = now
        self.audit_id: str = event["auditID"]
        self.annotations: dict[str, str] = {}
        self.said: Mapping[str, Any] | None = None
        self.live = False
        self.wants_request = decision.level >= REQUEST
        self.wants_response = decision.level >= REQUEST_RESPONSE
        self.request: Body | None = None
        self.response: Body | None = None

    def impersonate(self, user: User) -> None:
        """The request is carried out as somebody else."""
        self._event["impersonatedUser"] = user_tree(user)

    def constrain(self, right: str) -> None:
        """That was allowed by this right, for some requests only."""
        self._event["authenticationMetadata"] = {"impersonationConstraint": right}

    def received(self) -> None:
        """The request is known; nothing has been done yet."""
        received = self._event["requestReceivedTimestamp"]
        self._stage(RECEIVED, received, None)

    def started(self, status: int) -> None:
        """A stream's answer begins."""
        self._stage(STARTED, micro(self._now()), {"metadata": {}, "code": status})

    def refused(self, status: int, message: str) -> None:
        """Nobody knows who asked; upstream tells that as a started answer, too."""
        self._stage(
            STARTED, micro(self._now()), {"metadata": {}, "message": message, "code": status}
        )

    def complete(self, status: int) -> None:
        """The answer is out."""
        told: dict[str, Any] = {"metadata": {}}
        if self.said is not None:
            told |= {key: self.said[key] for key in _STATUS_FIELDS if key in self.said}
        told["code"] = status
        self._stage(COMPLETE, micro(self._now()), told)

    def answered(self, body: bytes) -> None:
        """A whole answer: what it names is noted, and all of it where the policy asks for it."""
        if self.wants_response:
            self.response = Body(body, "application/json")
        event = self._event
        if self.said is None and body.startswith(_STATUS):
            self.said = orjson.loads(body)
        elif event["verb"] in _NAMED and self.said is None and "objectRef" in event:
            found = _IDENTITY.search(body, 0, _IDENTITY_BYTES_MAX)
            if found is not None and not event["objectRef"].get("subresource"):
                event["objectRef"]["name"] = found[1].decode()
                event["objectRef"]["uid"] = found[2].decode()

    def closed_early(self) -> None:
        """The client went before there was an answer."""
        self._stage(COMPLETE, micro(self._now()), CLOSED_EARLY)

    def panicked(self, error: BaseException) -> None:
        """A bug of ours ended the request. What the error says may be secret, so only its kind is told."""
        told = {
            "metadata": {}, "status": "Failure", "message": f"APIServer panic'd: {type(error).__name__}",
            "reason": "InternalError", "code": 500,
        }  # fmt: skip
        self._stage(PANIC, micro(self._now()), told)

    def _stage(self, stage: str, at: datetime, status: Mapping[str, Any] | None) -> None:
        if stage in self._decision.omit_stages:
            return
        event = self._event
        event["stage"] = stage
        event["stageTimestamp"] = at
        if status is not None:
            event["responseStatus"] = status
        if self.annotations:
            event["annotations"] = self.annotations
        head = orjson.dumps(event, option=orjson.OPT_UTC_Z)
        if self.request is None and self.response is None:
            self._emit(head)
        else:
            omit = self._decision.omit_managed_fields
            self._emit(Whole(head, self.request, self.response, omit))


def event_of(
    decision: Decision,
    info: RequestInfo,
    user: User | None,
    *,
    audit_id: str,
    uri: str,
    sources: list[str],
    agent: str,
    now: datetime,
) -> dict[str, Any]:
    """An event's fields as they are known when the request arrives."""
    if len(agent) > USER_AGENT_CHARACTERS_MAX:
        agent = agent[:USER_AGENT_CHARACTERS_MAX] + "...TRUNCATED"
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": LEVELS[decision.level],
        "auditID": audit_id,
        "stage": "",
        "requestURI": uri,
        "verb": info.verb,
        "user": user_tree(user) if user is not None else {},
        "sourceIPs": sources,
    }
    if agent:
        event["userAgent"] = agent
    if info.resource is not None:
        event["objectRef"] = _reference(info)
    event["requestReceivedTimestamp"] = micro(now)
    return event


def _reference(info: RequestInfo) -> dict[str, str]:
    resource = info.resource
    assert resource is not None, "only resources are referred to"
    reference = {"resource": resource.plural}
    if info.namespace:
        reference["namespace"] = info.namespace
    if info.name:
        reference["name"] = info.name
    if resource.group:
        reference["apiGroup"] = resource.group
    reference["apiVersion"] = resource.version
    if info.subresource:
        reference["subresource"] = info.subresource
    return reference


def user_tree(user: User) -> dict[str, Any]:
    """A user as `authentication.k8s.io/v1` UserInfo."""
    tree: dict[str, Any] = {"username": user.name}
    if user.uid:
        tree["uid"] = user.uid
    if user.groups:
        tree["groups"] = user.groups
    if user.extra:
        tree["extra"] = dict(user.extra)
    return tree


def micro(at: datetime) -> datetime:
    """A time that is written with its fraction: Go's MicroTime refuses one without."""
    return at if at.microsecond else at.replace(microsecond=1)


def utc_now() -> datetime:
    return datetime.now(UTC)


def _without_managed_fields(tree: Any) -> None:
    """Take managedFields out of an object, a list's items and a table's rows."""
    if not isinstance(tree, dict):
        return
    metadata = tree.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    for name in ("items", "rows"):
        found = tree.get(name)
        for one in found if isinstance(found, list) else ():
            _without_managed_fields(one.get("object") if name == "rows" else one)
