"""Events as JSON: what a record tells at each stage and level."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from apiserver.audit.events import TRUNCATED, Body, Record, Whole, bare, event_of, rendered
from apiserver.audit.legacy import legacy_line
from apiserver.audit.policy import METADATA, REQUEST, REQUEST_RESPONSE, Decision
from apiserver.request import RequestInfo, User
from wherry.api.scheme import BY_PLURAL

ARRIVED = datetime(2026, 1, 2, 3, 4, 5, 0, UTC)
LATER = datetime(2026, 1, 2, 3, 4, 6, 7, UTC)
USER = User("jane", "u1", ("dev",), {"scopes": ("a",)})
PODS = BY_PLURAL["", "v1", "pods"]
ANSWER = b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"web-1","generateName":"web-","namespace":"default","uid":"x-1"}}'


def record(decision: Decision, info: RequestInfo, out: list) -> Record:
    event = event_of(
        decision, info, USER, audit_id="id-1", uri="/api/v1/pods?limit=1", sources=["10.0.0.1"],
        agent="kubectl/1", now=ARRIVED,
    )  # fmt: skip
    return Record(decision, event, out.append, lambda: LATER)


def read(event: bytes | Whole) -> dict:
    data = rendered(event)
    assert b"\n" not in data, "one event is one line"
    return orjson.loads(data)


def test_a_request_at_metadata_level():
    out: list = []
    made = record(Decision(METADATA), RequestInfo("create", "/x", PODS, "default"), out)
    made.received()
    made.annotations["authorization.k8s.io/decision"] = "allow"
    made.request = None
    made.answered(ANSWER)
    made.complete(201)
    first, last = (read(event) for event in out)
    assert first["stage"] == "RequestReceived"
    assert "responseStatus" not in first
    assert first["stageTimestamp"] == first["requestReceivedTimestamp"]
    # Go's MicroTime wants a fraction, so a whole second gets one.
    assert first["requestReceivedTimestamp"] == "2026-01-02T03:04:05.000001Z"
    assert last == {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "id-1",
        "stage": "ResponseComplete", "requestURI": "/api/v1/pods?limit=1", "verb": "create",
        "user": {"username": "jane", "uid": "u1", "groups": ["dev"], "extra": {"scopes": ["a"]}},
        "sourceIPs": ["10.0.0.1"], "userAgent": "kubectl/1",
        "objectRef": {
            "resource": "pods", "namespace": "default", "apiVersion": "v1", "name": "web-1", "uid": "x-1",
        },
        "requestReceivedTimestamp": "2026-01-02T03:04:05.000001Z",
        "stageTimestamp": "2026-01-02T03:04:06.000007Z",
        "responseStatus": {"metadata": {}, "code": 201},
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }  # fmt: skip


def test_omitted_stages_are_not_told():
    out: list = []
    made = record(Decision(METADATA, frozenset({"RequestReceived"})), RequestInfo("get", "/x"), out)
    made.received()
    assert out == []
    made.complete(200)
    assert read(out[0])["stage"] == "ResponseComplete"


def test_bodies_as_the_level_says():
    for level, response in ((REQUEST, False), (REQUEST_RESPONSE, True)):
        out: list = []
        made = record(Decision(level), RequestInfo("create", "/x", PODS, "default"), out)
        made.request = Body(b'{\n "kind": "Pod"\n}', "application/json")
        made.answered(ANSWER)
        made.complete(201)
        told = read(out[0])
        assert told["requestObject"] == {"kind": "Pod"}
        assert ("responseObject" in told) is response


def test_yaml_is_told_as_json_and_what_nobody_can_read_not_at_all():
    assert read(Whole(b'{"a":1}', Body(b"b: [2]", "application/yaml"), None, False)) == {
        "a": 1, "requestObject": {"b": [2]},
    }  # fmt: skip
    for body in (
        Body(b"{", "application/json"),
        Body(b"k8s\0\x01", "application/x"),
        Body(b"", ""),
    ):
        assert read(Whole(b'{"a":1}', body, None, False)) == {"a": 1}


def test_managed_fields_go_from_objects_lists_and_tables():
    one = {"metadata": {"name": "a", "managedFields": [{"manager": "m"}]}}
    for tree in (one, {"items": [one]}, {"rows": [{"object": one}]}):
        event = Whole(b'{"a":1}', None, Body(orjson.dumps(tree), ""), True)
        assert b"managedFields" not in rendered(event)
        kept = Whole(b'{"a":1}', None, Body(orjson.dumps(tree), ""), False)
        assert b"managedFields" in rendered(kept)


def test_what_is_too_large_loses_its_bodies():
    event = Whole(b'{"annotations":{"x":"y"}}', Body(b'"' + b"a" * 999 + b'"', ""), None, False)
    assert orjson.loads(bare(event)) == {"annotations": {"x": "y", TRUNCATED: "true"}}


def test_refusals_bugs_and_lost_clients():
    out: list = []
    made = record(Decision(METADATA), RequestInfo("get", "/x"), out)
    made.said = {"status": "Failure", "reason": "Forbidden", "code": 403, "kind": "Status"}
    made.complete(403)
    assert read(out[0])["responseStatus"] == {
        "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403,
    }  # fmt: skip
    made.panicked(ValueError("password=secret"))
    assert read(out[1])["stage"] == "Panic"
    assert b"secret" not in rendered(out[1])
    made.closed_early()
    assert read(out[2])["responseStatus"]["message"] == "Connection closed early"


def test_acting_as_somebody_else():
    out: list = []
    made = record(Decision(METADATA), RequestInfo("get", "/x"), out)
    made.impersonate(User("joe", groups=("ops",)))
    made.complete(200)
    told = read(out[0])
    assert told["user"]["username"] == "jane"
    assert told["impersonatedUser"] == {"username": "joe", "groups": ["ops"]}
    assert "authenticationMetadata" not in told
    made.constrain("impersonate:user-info")
    made.complete(200)
    right = {"impersonationConstraint": "impersonate:user-info"}
    assert read(out[1])["authenticationMetadata"] == right


def test_a_status_that_was_answered_is_told_at_every_level():
    out: list = []
    made = record(Decision(METADATA), RequestInfo("delete", "/x"), out)
    details = {"name": "a", "kind": "pods"}
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    made.answered(orjson.dumps({**body, "details": details}))
    made.complete(200)
    told = {"metadata": {}, "status": "Success", "details": details, "code": 200}
    assert read(out[0])["responseStatus"] == told


@pytest.mark.parametrize(("agent", "told"), [("a" * 1024, 1024), ("a" * 1025, 1024 + 12)])
def test_long_user_agents_are_cut(agent, told):
    event = event_of(
        Decision(METADATA), RequestInfo("get", "/x"), None, audit_id="", uri="", sources=[],
        agent=agent, now=ARRIVED,
    )  # fmt: skip
    assert len(event["userAgent"]) == told


def test_the_old_text_form():
    out: list = []
    made = record(Decision(METADATA), RequestInfo("list", "/x", PODS, "default"), out)
    made.received()
    made.impersonate(User("joe", groups=("a", "b")))
    made.complete(200)
    first, last = (legacy_line(rendered(event)).decode() for event in out)
    assert first.startswith('2026-01-02T03:04:05.000001Z AUDIT: id="id-1" stage="RequestReceived"')
    assert 'as="<self>" asgroups="<lookup>"' in first
    assert first.endswith('uri="/api/v1/pods?limit=1" response="<deferred>"')
    assert 'user="jane" groups="\\"dev\\"" as="joe"' in last
    assert last.endswith('response="200"')
