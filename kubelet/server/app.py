"""The kubelet's own server (port 10250): pods, logs, exec, attach, metrics.

Called by the API server on behalf of kubectl, and by scrapers. Who may is `auth.py`'s; which
container is meant is `containers.py`'s; bytes are the runtime's. Refusals are plain text, as
upstream's kubelet writes them and its API server expects.

Source: upstream's pkg/kubelet/server/server.go.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from kubelet.runtime.protocol import ContainerRecord, NotFound, Runtime, RuntimeFailure
from kubelet.server import streams
from kubelet.server.auth import Gate, Guard
from kubelet.server.containers import Refusal, check_declared, for_exec, for_logs
from kubelet.server.logs import limited, log_options
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import Clock

_TRUE = ("1", "true")


class PodSource(Protocol):
    """What the server must know of this node's pods."""

    def pods(self) -> list[Pod]: ...

    def pod(self, namespace: str, name: str) -> Pod | None: ...

    def containers(self, pod_uid: str) -> list[ContainerRecord]:
        """The pod's containers as last observed, in any state."""
        ...


@dataclass(frozen=True)
class Server:
    """The handlers; `app()` is the ASGI application with the guard in front."""

    pods: PodSource
    runtime: Runtime
    registry: CollectorRegistry
    clock: Clock

    def app(self, gate: Gate) -> ASGIApp:
        routes = [
            Route("/healthz", self.healthz),
            Route("/pods", self.list_pods),
            Route("/metrics", self.metrics),
            Route("/containerLogs/{namespace}/{pod}/{container}", self.logs),
            WebSocketRoute("/exec/{namespace}/{pod}/{container}", self.exec),
            WebSocketRoute("/attach/{namespace}/{pod}/{container}", self.attach),
        ]
        return Guard(Starlette(routes=routes), gate)

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok")

    async def list_pods(self, request: Request) -> Response:
        items = [pod.to_wire() for pod in self.pods.pods()]
        tree = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        return Response(json.dumps(tree), media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        body = generate_latest(self.registry)
        return Response(body, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    async def logs(self, request: Request) -> Response:
        try:
            pod, container = self._target(request)
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

    async def exec(self, socket: WebSocket) -> None:
        command = socket.query_params.getlist("command")
        if not command:
            await _deny(socket, Refusal(400, "you must specify a command to execute"))
            return
        await self._session(socket, command)

    async def attach(self, socket: WebSocket) -> None:
        await self._session(socket, [])

    async def _session(self, socket: WebSocket, command: list[str]) -> None:
        stdin, tty = _flag(socket, "input", "stdin"), _flag(socket, "tty")
        stdout, stderr = _flag(socket, "output", "stdout"), _flag(socket, "error", "stderr")
        protocol = streams.choose_protocol(socket.scope.get("subprotocols", []))
        try:
            if protocol is None:
                raise Refusal(400, f"protocols known here are {', '.join(streams.PROTOCOLS)}")
            if not (stdin or stdout or stderr):
                raise Refusal(400, "you must specify at least 1 of stdin, stdout, stderr")
            pod, container = self._target(socket)
            record = for_exec(container, self.pods.containers(pod.metadata.uid))
            if command:
                process = await self.runtime.exec(
                    record.id, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
                )
            else:
                process = await self.runtime.attach(record.id, stdin=stdin, tty=tty)
        except Refusal as refusal:
            await _deny(socket, refusal)
            return
        except RuntimeFailure as error:
            await _deny(socket, Refusal(500, str(error)))
            return
        await socket.accept(protocol)
        await streams.serve(socket, process, command)

    def _target(self, connection: HTTPConnection) -> tuple[Pod, str]:
        namespace = connection.path_params["namespace"]
        name, container = connection.path_params["pod"], connection.path_params["container"]
        pod = self.pods.pod(namespace, name)
        if pod is None:
            raise Refusal(404, f'pod "{name}" does not exist')
        check_declared(pod, container)
        return pod, container


def _flag(socket: WebSocket, *names: str) -> bool:
    return any(socket.query_params.get(name) in _TRUE for name in names)


async def _deny(socket: WebSocket, refusal: Refusal) -> None:
    await socket.send_denial_response(PlainTextResponse(refusal.message, refusal.code))


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece
