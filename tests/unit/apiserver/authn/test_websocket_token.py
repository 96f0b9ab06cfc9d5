"""Tokens in WebSocket handshakes."""

from __future__ import annotations

import base64

import pytest

from apiserver.authn.websocket_token import HEADER, PREFIX, is_offered, taken_out

ENCODED = base64.urlsafe_b64encode(b"secret~token?").rstrip(b"=").decode()
OFFER = f"{PREFIX}{ENCODED}"


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        ({HEADER: f"{OFFER}, v4".encode(), b"upgrade": b"WebSocket"}, True),
        ({HEADER: f"{OFFER}, v4".encode()}, False),
        ({HEADER: b"v4", b"upgrade": b"websocket"}, False),
        ({}, False),
    ],
)
def test_is_offered(headers: dict[bytes, bytes], want: bool) -> None:
    assert is_offered(headers) is want


@pytest.mark.parametrize(
    "values", [[f"v5, {OFFER},v4"], ["v5", OFFER, "v4"], [f"v5,v4, {OFFER}"]], ids=str
)
def test_it_leaves_the_request(values: list[str]) -> None:
    fields = [(b"host", b"x"), *((HEADER, value.encode()) for value in values)]
    token, left = taken_out(fields)
    assert token == "secret~token?"
    assert left == [(b"host", b"x"), (HEADER, b"v5, v4")]


@pytest.mark.parametrize(
    "value", [OFFER, f"{OFFER},{OFFER},v4", f"{PREFIX},v4", f"{PREFIX}a=,v4", f"{PREFIX}_w,v4"]
)
def test_bad_offers(value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        taken_out([(HEADER, value.encode())])
