"""Bytes to values: lines in any pieces, events, lists, errors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError, not_found
from wherry.client.decode import (
    LineSplitter,
    PartialObjectMetadata,
    decode_error,
    decode_event,
    decode_list,
    decode_object,
)
from wherry.client.transport import ApiUnavailable

POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "a", "namespace": "n", "resourceVersion": "7", "unknownField": 1},
    "spec": {"nodeName": "x", "containers": [{"name": "c"}]},
    "status": {"startTime": "2026-11-21T17:00:00Z"},
}


@given(st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b and b.strip())), st.data())
def test_lines_come_out_whole_however_they_were_cut(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    splitter = LineSplitter()
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [line for piece in pieces for line in splitter.feed(piece)] == lines


def test_events_are_typed_and_tolerate_unknown_fields():
    line = json.dumps({"type": "MODIFIED", "object": POD}).encode()
    event = decode_event(Pod, line)
    assert event.type == "MODIFIED"
    assert event.object.spec.node_name == "x"
    assert event.object.status.start_time.year == 2026


def test_a_bookmark_carries_its_revision():
    line = b'{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"12","creationTimestamp":null},"spec":{"containers":null},"status":{}}}'
    event = decode_event(Pod, line)
    assert (event.type, event.object.metadata.resource_version) == ("BOOKMARK", "12")


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old","reason":"Expired","code":410}}',
        b'{"object":{"kind":"Status","status":"Failure","message":"too old","reason":"Expired","code":410},"type":"ERROR"}',
    ],
    ids=["usual", "other-order"],
)
@pytest.mark.parametrize("model", [Pod, PartialObjectMetadata])
def test_an_error_event_is_an_api_error(line, model):
    with pytest.raises(ApiError, match="too old") as caught:
        decode_event(model, line)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"not json", b'{"metadata":{"name":1}}'],
    ids=["empty", "list", "text", "type"],
)
def test_nonsense_is_unavailable_not_a_validation_error(body):
    with pytest.raises(ApiUnavailable, match="cannot read the server's Pod"):
        decode_object(Pod, body)
    with pytest.raises(ApiUnavailable):
        decode_event(Pod, body)


@pytest.mark.parametrize(("items", "count"), [([POD, POD], 2), ([], 0), (None, 0)])
def test_lists(items, count):
    body = {"metadata": {"resourceVersion": "9", "continue": "t"}, "items": items}
    found = decode_list(Pod, json.dumps(body).encode())
    assert (len(found.items), found.resource_version, found.continue_) == (count, "9", "t")


def test_a_status_comes_through_and_the_rest_is_made_up():
    refusal = not_found("pods", "x")
    assert decode_error(404, json.dumps(refusal.status).encode()).status == refusal.status
    made = decode_error(503, b"<html>proxy</html>", "7")
    assert (made.code, made.reason, made.retry_after_seconds) == (503, "ServiceUnavailable", 7)
    assert made.message == "<html>proxy</html>"
    assert decode_error(418, b"").code == 418
