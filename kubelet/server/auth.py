"""What a caller of the kubelet needs, and the guard in front of its server.

Who calls and what is allowed the API server says (`wherry.client.delegated`). Nobody is anonymous.

Source: upstream's pkg/kubelet/server/auth.go (with KubeletFineGrainedAuthz) and
cmd/kubelet/app/auth.go.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from wherry.client.delegated import Access, Caller, Delegated, Unreviewed, bearer_token
from wherry.client.rest import Client
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

_VERBS = {
    "GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete",
}  # fmt: skip
# Paths with a permission of their own. Where `nodes/proxy` stands beside it, that is enough too.
_SUBRESOURCES = {
    "stats": ("stats",), "metrics": ("metrics",), "logs": ("log",), "checkpoint": ("checkpoint",),
    "statusz": ("statusz",), "flagz": ("flagz",),
    "pods": ("pods", "proxy"), "runningpods": ("pods", "proxy"), "healthz": ("healthz", "proxy"),
    "configz": ("configz", "proxy"),
}  # fmt: skip


def permissions(method: str, path: str) -> tuple[str, tuple[str, ...]]:
    """The verb, and the subresources of `nodes` any one of which is enough."""
    first = path.removeprefix("/").split("/", 1)[0]
    return _VERBS.get(method, ""), _SUBRESOURCES.get(first, ("proxy",))


class Gate:
    """Asks about callers of this node."""

    def __init__(self, client: Client, node_name: str, clock: Clock) -> None:
        self._delegated = Delegated(client, clock)
        self._node_name = node_name

    async def caller(self, certificate: Mapping[str, Any] | None, token: str) -> Caller | None:
        """Who it is; None when nobody vouches for them. Unreviewed."""
        return await self._delegated.caller(certificate, token)

    async def may(self, caller: Caller, verb: str, subresources: tuple[str, ...]) -> bool:
        """Whether one of the permissions is theirs. Unreviewed."""
        for subresource in subresources:
            access = Access(verb, "", "nodes", subresource, self._node_name)
            if await self._delegated.may(caller, access):
                return True
        return False


class Guard:
    """ASGI: lets through whom the gate admits; 401 and 403 worded as upstream's kubelet."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    async def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        token = bearer_token(HTTPConnection(scope).headers.get("authorization", ""))
        method = scope.get("method", "GET")  # a WebSocket is a GET
        verb, subresources = permissions(method, scope["path"])
        try:
            caller = await self._gate.caller(scope["state"].get("certificate"), token)
            if caller is None:
                return PlainTextResponse("Unauthorized", 401)
            if await self._gate.may(caller, verb, subresources):
                return None
        except Unreviewed as error:
            log.warning("caller not checked: %s", error)
            return PlainTextResponse("Authorization error", 500)
        named = f"user={caller.name}, verb={verb}, resource=nodes"
        text = f"Forbidden ({named}, subresource(s)=[{' '.join(subresources)}])"
        return PlainTextResponse(text, 403)
