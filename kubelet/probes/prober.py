"""Make one probe of any kind: exec, httpGet, tcpSocket, grpc.

Source: upstream's pkg/kubelet/prober/prober.go and pkg/probe/*.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from kubelet.probes import http
from kubelet.probes.state import Outcome, Result
from kubelet.runtime.protocol import ExecResult, RuntimeFailure
from wherry.api.core_v1 import Container, GRPCAction, HTTPGetAction, Probe

EXEC_OUTPUT_BYTES_MAX = 10 * 1024


class Executor(Protocol):
    """What a probe needs of the runtime."""

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float
    ) -> ExecResult: ...


class PortError(ValueError):
    """A probe names a port the container doesn't have."""


def port_number(port: int | str, container: Container) -> int:
    """A port by number, by digits or by its name in the container."""
    if isinstance(port, int):
        number = port
    elif port.isdigit():
        number = int(port)
    else:
        named = [p.container_port for p in container.ports if p.name == port]
        if not named:
            raise PortError(f"couldn't find port: {port!r}")
        number = named[0]
    if not 0 < number < 65536:
        raise PortError(f"invalid port number: {number}")
    return number


def url_of(action: HTTPGetAction, container: Container, pod_ip: str) -> str:
    """Where an httpGet probe goes."""
    host = action.host or pod_ip
    if ":" in host:
        host = f"[{host}]"
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    scheme = (action.scheme or "HTTP").lower()
    return f"{scheme}://{host}:{port_number(action.port, container)}{path}"


class Prober:
    """Makes probes; knows nothing of thresholds."""

    def __init__(self, runtime: Executor) -> None:
        self._runtime = runtime

    async def probe(
        self, probe: Probe, container: Container, container_id: str, pod_ip: str
    ) -> Outcome:
        """The outcome, within the probe's timeout. Never raises for a failing container."""
        timeout = float(probe.timeout_seconds or 1)
        try:
            if probe.exec is not None:
                return await self._exec(probe.exec.command, container_id, timeout)
            if probe.http_get is not None:
                headers = {h.name: h.value for h in probe.http_get.http_headers}
                url = url_of(probe.http_get, container, pod_ip)
                return await http.probe(url, headers, timeout)
            if probe.tcp_socket is not None:
                port = port_number(probe.tcp_socket.port, container)
                return await _tcp(probe.tcp_socket.host or pod_ip, port, timeout)
            if probe.grpc is not None:
                return await _grpc(probe.grpc, pod_ip, timeout)
        except ValueError as error:  # no such port, no such host name, a header line without end
            return Outcome(Result.UNKNOWN, str(error), is_error=True)
        return Outcome(Result.UNKNOWN, "missing probe handler", is_error=True)

    async def _exec(self, command: Sequence[str], container_id: str, timeout: float) -> Outcome:
        try:
            done = await self._runtime.exec_sync(container_id, command, timeout)
        except RuntimeFailure as error:
            return Outcome(Result.UNKNOWN, str(error), is_error=True)
        if done.exit_code is None:
            words = " ".join(command)
            text = f'command timed out: "{words}" timed out after {timeout:g}s'
            return Outcome(Result.FAILURE, text)
        output = done.output[:EXEC_OUTPUT_BYTES_MAX].decode("utf-8", errors="replace")
        return Outcome(Result.SUCCESS if done.exit_code == 0 else Result.FAILURE, output)


async def _tcp(host: str, port: int, timeout: float) -> Outcome:
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
    except TimeoutError:
        return Outcome(Result.FAILURE, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Outcome(Result.FAILURE, http.describe(error, f"tcp://{host}:{port}"))
    return Outcome(Result.SUCCESS)


async def _grpc(action: GRPCAction, pod_ip: str, timeout: float) -> Outcome:
    from kubelet.probes.grpc import check

    return await check(f"{pod_ip}:{action.port}", action.service or "", timeout)
