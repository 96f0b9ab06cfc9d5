"""The kubelet's own server (port 10250): pods, logs, exec, attach, port-forward, metrics.

Called by the API server on behalf of kubectl, and by scrapers. Who may is `auth.py`'s; which
container is meant is `containers.py`'s; bytes are the runtime's. Refusals are plain text, as
upstream's kubelet writes them and its API server expects.

Source: upstream's pkg/kubelet/server/server.go.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from kubelet.runtime.protocol import ContainerRecord, NotFound, Runtime, RuntimeFailure, State
from kubelet.server import netns
from kubelet.server.auth import Gate, Guard
from kubelet.server.containers import Refusal, check_declared, for_exec, for_logs
from kubelet.server.logs import limited, log_options
from kubelet.server.sessions import Connect, Sessions, target_of
from kubelet.server.sources import PodSource
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import Clock
from wherry.daemon.exposition import CONTENT_TYPE, metrics_page

HEALTH_CHECKS = ("/ping", "/log", "/syncloop")
RUN_SECONDS_MAX = 3600.0  # of a command that `/run` waits for


@dataclass(frozen=True)
class Server:
    """The handlers; `app()` is the ASGI application with the guard in front.

    more: routes of other parts, behind the same guard
    """

    pods: PodSource
    runtime: Runtime
    registry: CollectorRegistry
    clock: Clock
    connect: Connect = netns.connect
    more: Sequence[BaseRoute] = ()

    def app(self, gate: Gate) -> ASGIApp:
        routes = [
            *(Route(f"/healthz{check}", self.healthz) for check in ("", *HEALTH_CHECKS)),
            Route("/pods", self.list_pods),
            Route("/runningpods/", self.list_running_pods),
            Route("/run/{namespace}/{pod}/{container}", self.run, methods=["POST"]),
            metrics_route("/metrics", self.registry),
            Route("/containerLogs/{namespace}/{pod}/{container}", self.logs),
            *self.more,
            *_stream_routes(Sessions(self.pods, self.runtime, self.connect)),
        ]
        return Guard(Starlette(routes=routes), gate)

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok")

    async def list_pods(self, request: Request) -> Response:
        items = [pod.to_wire() for pod in self.pods.pods()]
        tree = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        return Response(json.dumps(tree), media_type="application/json")

    async def list_running_pods(self, request: Request) -> Response:
        """Pods that have a running container, as far as the engine tells: names and images."""
        items = [
            found
            for pod in self.pods.pods()
            if (found := _as_running(pod, self.pods.containers(pod.metadata.uid)))
        ]
        tree = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        return Response(json.dumps(tree), media_type="application/json")

    async def run(self, request: Request) -> Response:
        """Run `cmd` in a container to its end; the output, and 500 when it failed."""
        try:
            pod, container = target_of(self.pods, request), request.path_params["container"]
            check_declared(pod, container)
            record = for_exec(container, self.pods.containers(pod.metadata.uid))
        except Refusal as refusal:
            return PlainTextResponse(refusal.message, refusal.code)
        command = request.query_params.get("cmd", "").split(" ")
        try:
            done = await self.runtime.exec_sync(record.id, command, RUN_SECONDS_MAX)
        except RuntimeFailure as error:
            return PlainTextResponse(str(error), 500)
        output = done.output.decode(errors="replace")
        if done.exit_code != 0:
            words = f"command '{' '.join(command)}' exited with {done.exit_code}: {output}"
            return PlainTextResponse(words, 500)
        return PlainTextResponse(output)

    async def logs(self, request: Request) -> Response:
        try:
            pod, container = target_of(self.pods, request), request.path_params["container"]
            check_declared(pod, container)
            options = log_options(dict(request.query_params), self.clock.now())
            records = self.pods.containers(pod.metadata.uid)
            record = for_logs(pod, container, records, previous=options.previous)
        except Refusal as refusal:
            return PlainTextResponse(refusal.message, refusal.code)
        pieces = self.runtime.logs(
            record.id,
            follow=options.follow,
            tail=options.tail,
            since=options.since,
            timestamps=options.timestamps,
            stdout=options.stdout,
            stderr=options.stderr,
        )
        body = limited(pieces, options.limit_bytes)
        try:
            first = await anext(body, b"") if not options.follow else b""
        except NotFound:
            # The engine has dropped it since we looked: the log is gone with it.
            return PlainTextResponse(f'unable to retrieve container logs for "{container}"', 200)
        except RuntimeFailure as error:
            return PlainTextResponse(str(error), 500)
        return StreamingResponse(_chained(first, body), media_type="text/plain")


def metrics_route(path: str, registry: CollectorRegistry) -> Route:
    async def show(request: Request) -> Response:
        body = metrics_page(registry)
        return Response(body, headers={"content-type": CONTENT_TYPE})

    return Route(path, show)


def _as_running(pod: Pod, records: Iterable[ContainerRecord]) -> dict[str, Any]:
    running = [one for one in records if one.state is State.RUNNING and not one.is_sandbox]
    if not running:
        return {}
    meta = pod.metadata
    return {
        "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "spec": {"containers": [{"name": one.name, "image": one.image} for one in running]},
        "status": {},
    }


def _stream_routes(sessions: Sessions) -> list[BaseRoute]:
    """Each path takes WebSockets, and tells other requests what is wrong."""
    one = "/{namespace}/{pod}"
    routes: list[BaseRoute] = []
    for path, serve, refuse in (
        (f"/exec{one}/{{container}}", sessions.exec, sessions.refuse_exec),
        (f"/attach{one}/{{container}}", sessions.attach, sessions.refuse_attach),
        (f"/portForward{one}", sessions.port_forward, sessions.refuse_port_forward),
    ):
        routes.append(WebSocketRoute(path, serve))
        routes.append(Route(path, refuse, methods=["GET", "POST"]))
    return routes


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece
