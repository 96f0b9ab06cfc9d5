"""The application: FastAPI for what is asked now and then, the dispatcher for the resource trees.

Version, health, metrics, OpenAPI, the token issuer's documents and the index are ordinary routes that
share one dependency (authenticated, authorized). /api and /apis are mounted whole: see `dispatcher`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import fastapi
import orjson
from fastapi import Depends, FastAPI, Request
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, NoMatchFound

from apiserver.authn.authenticator import KeysWanted
from apiserver.authz.webhook import DecisionWanted, decided
from apiserver.discovery.openapi_service import OpenApi
from apiserver.http import auditing, health
from apiserver.http.dispatcher import Dispatcher
from apiserver.http.exchange import Exchange, first_of_each
from apiserver.http.fair import Turns, too_many
from apiserver.http.gate import Gate
from apiserver.http.request_info import method_not_allowed, no_such_path
from apiserver.http.respond import error_response
from apiserver.request import RequestInfo, Response, User
from wherry.api.errors import ApiError, status_error
from wherry.daemon.exposition import CONTENT_TYPE, metrics_page

log = logging.getLogger(__name__)

TREES = ("/api", "/apis")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# What the index lists beside the resource trees and the health checks.
OWN_PATHS = (
    "/.well-known/openid-configuration", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3",
    "/openid/v1/jwks", "/readyz", "/version",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pages:
    """What the routes answer with."""

    version: Mapping[str, str]
    liveness: Mapping[str, health.Check]
    readiness: Mapping[str, health.Check]
    metrics: CollectorRegistry
    openapi: OpenApi
    resource_paths: Sequence[str]
    issuer: Callable[[], Mapping[str, Any]]
    jwks: Callable[[], Mapping[str, Any]]
    dumps: Mapping[str, Callable[[], str]] = field(default_factory=dict)  # of fairness


class ResourceTrees(BaseRoute):
    """Mounts the dispatcher on /api and /apis, with and without a path below."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def matches(self, scope: Any) -> tuple[Match, Any]:
        path = scope["path"]
        if scope["type"] == "http" and path.startswith("/api"):
            tree = path[:5] if path.startswith("/apis") else path[:4]
            if len(path) == len(tree) or path[len(tree)] == "/":
                return Match.FULL, {}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: Any) -> NoReturn:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await self._dispatcher(scope, receive, send)


class TooMany(Exception):
    """There is no place for a page's request now."""


class Front:
    """The ASGI application: what FastAPI is not needed for goes straight to the dispatcher.

    Ten middlewares and their wrapped `send` cost a GET a fifth of its time.
    """

    def __init__(self, app: FastAPI, dispatcher: Dispatcher) -> None:
        kept = dispatcher.auditor is not None or dispatcher.turns is not None
        self._app = auditing.AuditedPages(app) if kept else app
        self._dispatcher = dispatcher
        self._trees = ResourceTrees(dispatcher)

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        if scope["type"] == "http" and self._trees.matches(scope)[0] is Match.FULL:
            return self._dispatcher(scope, receive, send)
        return self._app(scope, receive, send)


def build(dispatcher: Dispatcher, gate: Gate, pages: Pages) -> FastAPI:
    """The whole application."""

    async def admitted(request: Request) -> None:
        headers = first_of_each(request.scope["headers"])
        exchange = Exchange(request.scope, request.receive, headers)  # type: ignore[arg-type]  # starlette's scope is a MutableMapping
        # Not `request.url`: that is put together from the Host header, which the client chooses.
        info = RequestInfo(request.method.lower(), request.scope["path"])

        async def admit() -> User:
            try:
                return auditing.admit(gate, dispatcher.auditor, exchange, info)
            except KeysWanted as wanted:
                exchange.may_wait = False
                await wanted.wait()
                return auditing.admit(gate, dispatcher.auditor, exchange, info)

        try:
            user = await admit()
        except DecisionWanted as wanted:
            user = await decided(wanted, admit)
        if isinstance(dispatcher.turns, Turns):
            place = await dispatcher.turns.page(info, user)
            if place is None:
                raise TooMany
            request.scope["state"][auditing.PLACE] = place

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nothing is traced or sent anywhere, whatever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.router.routes.insert(0, ResourceTrees(dispatcher))
    app.include_router(_health_routes(pages), dependencies=[Depends(admitted)])
    app.include_router(_document_routes(pages), dependencies=[Depends(admitted)])
    app.include_router(_dump_routes(pages), dependencies=[Depends(admitted)])
    paths = sorted({*TREES, *OWN_PATHS, *pages.resource_paths, *_check_paths(pages)})

    async def index(path: str) -> fastapi.Response:
        """The paths there are; also the answer to a path that there is not."""
        return _plain(_json({"paths": paths}, status=404 if path else 200))

    app.add_api_route(
        "/{path:path}", index, methods=list(METHODS), dependencies=[Depends(admitted)]
    )
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(TooMany, _on_too_many)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)
    return app


def _check_paths(pages: Pages) -> list[str]:
    groups = (("livez", pages.liveness), ("readyz", pages.readiness), ("healthz", pages.readiness))
    return [f"/{endpoint}/{name}" for endpoint, checks in groups for name in checks]


def _health_routes(pages: Pages) -> fastapi.APIRouter:
    router = fastapi.APIRouter()

    def add(endpoint: str, checks: Mapping[str, health.Check]) -> None:
        async def whole(request: Request) -> fastapi.Response:
            query = request.query_params
            verbose, exclude = "verbose" in query, query.getlist("exclude")
            return _plain(await health.report(endpoint, checks, verbose=verbose, exclude=exclude))

        async def one(name: str) -> fastapi.Response:
            return _plain(await health.report_one(checks.get(name)))

        router.add_api_route(f"/{endpoint}", whole)
        router.add_api_route(f"/{endpoint}/{{name:path}}", one)

    add("healthz", pages.readiness)
    add("livez", pages.liveness)
    add("readyz", pages.readiness)
    return router


def _dump_routes(pages: Pages) -> fastapi.APIRouter:
    router = fastapi.APIRouter(prefix="/debug/api_priority_and_fairness")

    def add(name: str, dump: Callable[[], str]) -> None:
        async def page() -> fastapi.Response:
            return _plain(Response(200, dump().encode(), "text/plain; charset=utf-8"))

        router.add_api_route(f"/{name}", page)

    for name, dump in pages.dumps.items():
        add(name, dump)
    return router


def _document_routes(pages: Pages) -> fastapi.APIRouter:
    router = fastapi.APIRouter()

    @router.get("/version")
    @router.get("/version/")  # as the PyPI client asks
    async def version() -> fastapi.Response:
        return _plain(_json(pages.version))

    @router.get("/metrics")
    async def metrics() -> fastapi.Response:
        return _plain(Response(200, metrics_page(pages.metrics), CONTENT_TYPE))

    @router.get("/openapi/v2")
    async def openapi_v2(request: Request) -> fastapi.Response:
        return _plain(
            await pages.openapi.version_2(
                accept=request.headers.get("accept", ""),
                accept_encoding=request.headers.get("accept-encoding", ""),
                if_none_match=request.headers.get("if-none-match", ""),
            )
        )

    @router.get("/openapi/v3")
    async def openapi_index(request: Request) -> fastapi.Response:
        return _plain(await pages.openapi.index(request.headers.get("if-none-match", "")))

    @router.get("/openapi/v3/{group_version:path}")
    async def openapi(group_version: str, request: Request) -> fastapi.Response:
        headers = request.headers
        return _plain(
            await pages.openapi.document(
                group_version,
                request.query_params.get("hash", ""),
                accept=headers.get("accept", ""),
                accept_encoding=headers.get("accept-encoding", ""),
                if_none_match=headers.get("if-none-match", ""),
            )
        )

    @router.get("/.well-known/openid-configuration")
    async def issuer() -> fastapi.Response:
        return _plain(_issuers(pages.issuer()))

    @router.get("/openid/v1/jwks")
    async def jwks() -> fastapi.Response:
        return _plain(_issuers(pages.jwks(), "application/jwk-set+json"))

    return router


def _json(
    tree: Mapping[str, Any], content_type: str = "application/json", *, status: int = 200
) -> Response:
    return Response(status, orjson.dumps(dict(tree), option=orjson.OPT_INDENT_2), content_type)


def _issuers(tree: Mapping[str, Any], content_type: str = "application/json") -> Response:
    """A document of the token issuer, in one line as upstream writes it; anybody may keep it."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(200, orjson.dumps(dict(tree)), content_type, headers)


def _plain(response: Response) -> fastapi.Response:
    """Our answer as starlette's. These answers are whole, never streams."""
    assert isinstance(response.body, bytes), "pages are whole"
    headers = {"Cache-Control": "no-cache, private", **response.headers}
    headers["Content-Type"] = response.content_type
    return fastapi.Response(response.body, response.status, headers)


async def _on_api_error(request: Request, error: Exception) -> fastapi.Response:
    assert isinstance(error, ApiError), "registered for ApiError"
    return _plain(error_response(error))


async def _on_too_many(request: Request, error: Exception) -> fastapi.Response:
    return _plain(too_many())


async def _on_bug(request: Request, error: Exception) -> fastapi.Response:
    log.error("%s %r failed", request.method, request.scope["path"], exc_info=error)
    message = "Internal error occurred: see the API server's log"
    return _plain(error_response(status_error("InternalError", message)))


async def _on_http_error(request: Request, error: Exception) -> fastapi.Response:
    assert isinstance(error, HTTPException), "registered for HTTPException"
    return _plain(
        error_response(method_not_allowed() if error.status_code == 405 else no_such_path())
    )
