"""What admission is shown of a CONNECT (exec, attach, portforward, proxy): the request's options as an object.

Source: k8s.io/apiserver/pkg/endpoints/handlers/rest.go (ConnectResource), pkg/apis/core/v1/conversion.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from apiserver.http.request_info import is_true
from wherry.api.numerals import whole

Query = Iterable[tuple[str, str]]
Tree = dict[str, Any]

_STREAMS = ("stdin", "stdout", "stderr", "tty")


def exec_options(query: Query) -> Tree:
    """PodExecOptions of a request's parameters."""
    query = list(query)
    options = _streams("PodExecOptions", query)
    if command := [value for name, value in query if name == "command"]:
        options["command"] = command
    return options


def attach_options(query: Query) -> Tree:
    """PodAttachOptions of a request's parameters."""
    return _streams("PodAttachOptions", list(query))


def port_forward_options(query: Query) -> Tree:
    """PodPortForwardOptions of a request's parameters; what is no number is left to others."""
    texts = [one for name, value in query if name == "ports" for one in value.split(",")]
    ports = [number for one in texts if (number := whole(one)) is not None]
    return _options("PodPortForwardOptions") | ({"ports": ports} if ports else {})


def proxy_options(kind: str, rest: str) -> Tree:
    """PodProxyOptions, ServiceProxyOptions or NodeProxyOptions; `rest` is the path behind `proxy`."""
    return _options(kind) | ({"path": unquote(rest)} if rest else {})


def _streams(kind: str, query: list[tuple[str, str]]) -> Tree:
    options = _options(kind)
    options |= {name: True for name, value in query if name in _STREAMS and is_true(value)}
    if container := next((value for name, value in query if name == "container" and value), ""):
        options["container"] = container
    return options


def _options(kind: str) -> Tree:
    return {"kind": kind, "apiVersion": "v1"}
