"""Headers of answers."""

from __future__ import annotations

import pytest

from apiserver.http.respond import error_response, head_of, warning_header
from apiserver.request import Response
from wherry.api.errors import not_found, status_error


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("plain", b'299 - "plain"'),
        ('unknown field "nope"', b'299 - "unknown field \\"nope\\""'),
        ("back\\slash", b'299 - "back\\\\slash"'),
        ("two\nlines", b'299 - "two lines"'),
        ("café ☕", b'299 - "caf\xe9 ?"'),
    ],
)
def test_warning_header(text: str, want: bytes) -> None:
    assert warning_header(text) == want


def test_head_has_audit_id_caching_type_and_warnings() -> None:
    response = Response(content_type="text/plain", headers={"ETag": '"x"'})
    assert head_of(response, b"id", ["careful"]) == [
        (b"audit-id", b"id"),
        (b"cache-control", b"no-cache, private"),
        (b"content-type", b"text/plain"),
        (b"etag", b'"x"'),
        (b"warning", b'299 - "careful"'),
    ]


def test_a_refusal_is_a_status_with_its_code() -> None:
    response = error_response(not_found("pods", "x"))
    assert response.status == 404
    assert b'"reason":"NotFound"' in response.body  # type: ignore[operator]


def test_retry_after_becomes_a_header() -> None:
    busy = status_error("TooManyRequests", "later", details={"retryAfterSeconds": 7})
    assert error_response(busy).headers == {"Retry-After": "7"}
