"""Probes and lifecycle hooks."""

from __future__ import annotations

from wherry.api.core_v1.signals import SIGNALS
from wherry.api.model import Int32, Int64, IntOrString, Model, wire


class ExecAction(Model):
    command: list[str] = wire([], list_type="atomic")


class HTTPHeader(Model):
    name: str = wire("", required=True, zero="kept")
    value: str = wire("", required=True, zero="kept")


class HTTPGetAction(Model):
    path: str = ""
    port: IntOrString = wire(0, required=True, zero="kept")
    host: str = ""
    scheme: str = wire("", enum=("HTTP", "HTTPS"))
    http_headers: list[HTTPHeader] = wire([], list_type="atomic")


class TCPSocketAction(Model):
    port: IntOrString = wire(0, required=True, zero="kept")
    host: str = ""


class GRPCAction(Model):
    port: Int32 = wire(0, required=True, zero="kept")
    service: str | None = wire(None, zero="kept")


class SleepAction(Model):
    seconds: Int64 = wire(0, required=True, zero="kept")


class Probe(Model):
    exec: ExecAction | None = wire(None, number="1.1")
    http_get: HTTPGetAction | None = wire(None, number="1.2")
    tcp_socket: TCPSocketAction | None = wire(None, number="1.3")
    grpc: GRPCAction | None = wire(None, number="1.4")
    initial_delay_seconds: Int32 = wire(0, number="2")
    timeout_seconds: Int32 = 0
    period_seconds: Int32 = 0
    success_threshold: Int32 = 0
    failure_threshold: Int32 = 0
    termination_grace_period_seconds: Int64 | None = None


class LifecycleHandler(Model):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Model):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = wire(
        None,
        enum=SIGNALS,
    )
