"""Probes and lifecycle hooks."""

from __future__ import annotations

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
        enum=(
            "SIGABRT",
            "SIGALRM",
            "SIGBUS",
            "SIGCHLD",
            "SIGCLD",
            "SIGCONT",
            "SIGFPE",
            "SIGHUP",
            "SIGILL",
            "SIGINT",
            "SIGIO",
            "SIGIOT",
            "SIGKILL",
            "SIGPIPE",
            "SIGPOLL",
            "SIGPROF",
            "SIGPWR",
            "SIGQUIT",
            "SIGRTMAX",
            "SIGRTMAX-1",
            "SIGRTMAX-10",
            "SIGRTMAX-11",
            "SIGRTMAX-12",
            "SIGRTMAX-13",
            "SIGRTMAX-14",
            "SIGRTMAX-2",
            "SIGRTMAX-3",
            "SIGRTMAX-4",
            "SIGRTMAX-5",
            "SIGRTMAX-6",
            "SIGRTMAX-7",
            "SIGRTMAX-8",
            "SIGRTMAX-9",
            "SIGRTMIN",
            "SIGRTMIN+1",
            "SIGRTMIN+10",
            "SIGRTMIN+11",
            "SIGRTMIN+12",
            "SIGRTMIN+13",
            "SIGRTMIN+14",
            "SIGRTMIN+15",
            "SIGRTMIN+2",
            "SIGRTMIN+3",
            "SIGRTMIN+4",
            "SIGRTMIN+5",
            "SIGRTMIN+6",
            "SIGRTMIN+7",
            "SIGRTMIN+8",
            "SIGRTMIN+9",
            "SIGSEGV",
            "SIGSTKFLT",
            "SIGSTOP",
            "SIGSYS",
            "SIGTERM",
            "SIGTRAP",
            "SIGTSTP",
            "SIGTTIN",
            "SIGTTOU",
            "SIGURG",
            "SIGUSR1",
            "SIGUSR2",
            "SIGVTALRM",
            "SIGWINCH",
            "SIGXCPU",
            "SIGXFSZ",
        ),
    )
