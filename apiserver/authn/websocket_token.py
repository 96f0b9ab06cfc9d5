"""A bearer token in a WebSocket handshake: browsers cannot set `Authorization` there.

The client offers a subprotocol `base64url.bearer.authorization.k8s.io.TOKEN` beside the one it means.
What holds the token is taken out of the request, so that whoever is behind us does not learn it.

Source: k8s.io/apiserver/pkg/authentication/request/websocket.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence

HEADER = b"sec-websocket-protocol"
PREFIX = "base64url.bearer.authorization.k8s.io."
_ENCODED = re.compile(r"[A-Za-z0-9_-]+")

Fields = Sequence[tuple[bytes, bytes]]


def is_offered(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the request is a WebSocket handshake that holds a token."""
    offered = headers.get(HEADER)
    if offered is None or PREFIX.encode() not in offered:
        return False
    return headers.get(b"upgrade", b"").lower() == b"websocket"


def taken_out(fields: Fields) -> tuple[str, list[tuple[bytes, bytes]]]:
    """The token and the headers without it; ValueError when it is no good way to offer one."""
    tokens, others, kept = [], [], []
    for name, value in fields:
        if name != HEADER:
            kept.append((name, value))
            continue
        for protocol in value.decode("latin-1").split(","):
            text = protocol.strip()
            if text.startswith(PREFIX):
                tokens.append(_decoded(text.removeprefix(PREFIX)))
            else:
                others.append(text)
    if len(tokens) != 1:
        raise ValueError("multiple base64.bearer.authorization tokens specified")
    if not others:
        raise ValueError("missing additional subprotocol in Sec-WebSocket-Protocol header")
    return tokens[0], [*kept, (HEADER, ", ".join(others).encode("latin-1"))]


def _decoded(text: str) -> str:
    if _ENCODED.fullmatch(text) is None:
        raise ValueError("invalid base64.bearer.authorization token encoding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
