"""exec, attach and port-forward: what is checked before a stream begins.

Each path answers a WebSocket handshake, and plain requests too: a client that asks for SPDY, or for
no stream at all, is told what is wrong with its pod or container first, and only then that SPDY is not
served. kubectl falls back to SPDY whenever its WebSocket is refused, and shows that second answer.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket

from kubelet.runtime.protocol import (
    STDERR,
    STDOUT,
    ContainerRecord,
    NotFound,
    Runtime,
    RuntimeFailure,
    State,
    Stream,
)
from kubelet.server import port_forward, streams, tunnel
from kubelet.server.channels import Channels, agreed
from kubelet.server.containers import Refusal, check_declared, console_of, for_exec
from kubelet.server.flow import Dial
from kubelet.server.messages import close
from kubelet.server.sources import PodSource
from wherry.api.core_v1 import Pod

_TRUE = ("1", "true")
LOCALHOST = ("127.0.0.1", "::1")
NO_SPDY = (
    "SPDY streams are not served; use a client that speaks WebSocket "
    "(kubectl 1.31 or newer, or KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true "
    "and KUBECTL_PORT_FORWARD_WEBSOCKETS=true)"
)
# Connects to a port in the network namespace of a process.
Connect = Callable[[int, Sequence[str], int], Awaitable[socket.socket]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request for exec or attach asks for."""

    command: list[str]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @property
    def outputs(self) -> frozenset[int]:
        """The channels to send; with a terminal all output is STDOUT."""
        return frozenset(
            [STDOUT] * (self.stdout or self.tty) + [STDERR] * (self.stderr and not self.tty)
        )


def wish_of(connection: HTTPConnection) -> Wish:
    """Refusal 400 when the query asks for nothing."""
    query = connection.query_params

    def flag(*names: str) -> bool:
        return any(query.get(name) in _TRUE for name in names)

    wish = Wish(
        query.getlist("command"), flag("input", "stdin"), flag("output", "stdout"),
        flag("error", "stderr"), flag("tty"),
    )  # fmt: skip
    if not (wish.stdin or wish.stdout or wish.stderr):
        raise Refusal(400, "you must specify at least 1 of stdin, stdout, stderr")
    return wish


def target_of(pods: PodSource, connection: HTTPConnection) -> Pod:
    """The pod a path names; Refusal 404."""
    name = connection.path_params["pod"]
    pod = pods.pod(connection.path_params["namespace"], name)
    if pod is None:
        raise Refusal(404, f'pod "{name}" does not exist')
    return pod


@dataclass(frozen=True)
class Sessions:
    """The handlers of the streaming paths."""

    pods: PodSource
    runtime: Runtime
    connect: Connect

    async def exec(self, client: WebSocket) -> None:
        try:
            wish, _, record = self._command(client)
            protocol = _agreed(client, streams.PROTOCOLS)
            process = await self.runtime.exec(
                record.id, wish.command,
                stdin=wish.stdin, stdout=wish.stdout, stderr=wish.stderr, tty=wish.tty,
            )  # fmt: skip
        except (Refusal, RuntimeFailure) as error:
            await _deny(client, error)
            return
        await _carry(client, protocol, process, streams.Command(wish.command, wish.outputs))

    async def attach(self, client: WebSocket) -> None:
        try:
            wish, pod, record = self._main_process(client)
            protocol = _agreed(client, streams.PROTOCOLS)
            console = console_of(pod, record.name)
            process = await self.runtime.attach(record.id, stdin=wish.stdin, tty=console.tty)
        except (Refusal, RuntimeFailure) as error:
            await _deny(client, error)
            return
        attached = streams.Attached(wish.outputs, ends_input=console.stdin_once)
        await _carry(client, protocol, process, attached)

    async def port_forward(self, client: WebSocket) -> None:
        try:
            pod, record = self._sandbox(client)
            protocol = _agreed(client, (tunnel.PROTOCOL, *port_forward.PROTOCOLS))
            ports = _ports(client) if protocol != tunnel.PROTOCOL else []
        except Refusal as refusal:
            await _deny(client, refusal)
            return
        target = port_forward.Target(
            pod.metadata.name, pod.metadata.uid, self._dial(record.id, _addresses(client, pod))
        )
        await client.accept(protocol or None)
        if protocol == tunnel.PROTOCOL:
            await tunnel.serve(client, target)
        else:
            await port_forward.serve(Channels(client, protocol), ports, target)
            await close(client)

    def _dial(self, sandbox_id: str, addresses: Sequence[str]) -> Dial:
        async def dial(port: int) -> socket.socket:
            try:
                sandbox = await self.runtime.inspect(sandbox_id)
            except RuntimeFailure as error:
                raise OSError(str(error)) from error
            if sandbox.state is not State.RUNNING:
                raise OSError("the pod's sandbox is not running")
            return await self.connect(sandbox.pid, addresses, port)

        return dial

    async def refuse_exec(self, request: Request) -> Response:
        return self._refuse(request, self._command)

    async def refuse_attach(self, request: Request) -> Response:
        return self._refuse(request, self._main_process)

    async def refuse_port_forward(self, request: Request) -> Response:
        return self._refuse(request, self._sandbox)

    def _refuse(self, request: Request, check: Callable[[HTTPConnection], object]) -> Response:
        try:
            check(request)
        except Refusal as refusal:
            return PlainTextResponse(refusal.message, refusal.code)
        wants_spdy = request.headers.get("upgrade", "").lower().startswith("spdy")
        return PlainTextResponse(NO_SPDY if wants_spdy else "Upgrade request required", 400)

    def _command(self, connection: HTTPConnection) -> tuple[Wish, Pod, ContainerRecord]:
        if not connection.query_params.getlist("command"):
            raise Refusal(400, "you must specify a command to execute")
        return self._main_process(connection)

    def _main_process(self, connection: HTTPConnection) -> tuple[Wish, Pod, ContainerRecord]:
        wish = wish_of(connection)
        pod = target_of(self.pods, connection)
        container = connection.path_params["container"]
        check_declared(pod, container)
        return wish, pod, for_exec(container, self.pods.containers(pod.metadata.uid))

    def _sandbox(self, connection: HTTPConnection) -> tuple[Pod, ContainerRecord]:
        pod = target_of(self.pods, connection)
        for record in self.pods.containers(pod.metadata.uid):
            if record.is_sandbox and record.state is State.RUNNING:
                return pod, record
        raise Refusal(500, f'pod "{pod.metadata.name}" is not running')


def _agreed(client: WebSocket, known: Sequence[str]) -> str:
    """The protocol to speak, empty when the client names none; Refusal 400 when we know none of its."""
    protocol = agreed(client.scope.get("subprotocols", []), known)
    if protocol is None:
        raise Refusal(400, f"protocols known here are {', '.join(known)}")
    return protocol


async def _carry(
    client: WebSocket, protocol: str, process: Stream, session: streams.Command | streams.Attached
) -> None:
    await client.accept(protocol or None)
    await streams.serve(Channels(client, protocol), process, session)
    await close(client)


def _ports(client: WebSocket) -> list[int]:
    try:
        return port_forward.parse_ports(client.query_params.getlist("port"))
    except ValueError as error:
        raise Refusal(400, str(error)) from error


def _addresses(client: WebSocket, pod: Pod) -> list[str]:
    """What to connect to inside the pod: localhost as upstream has it, then the pod's own address.

    `address=pod` (the API server's proxy asks so) leaves localhost out.
    """
    own = [pod.status.pod_ip] if pod.status.pod_ip else []
    return own if client.query_params.get("address") == "pod" else [*LOCALHOST, *own]


async def _deny(client: WebSocket, error: Refusal | RuntimeFailure) -> None:
    otherwise = 404 if isinstance(error, NotFound) else 500
    code = error.code if isinstance(error, Refusal) else otherwise
    await client.send_denial_response(PlainTextResponse(str(error), code))
