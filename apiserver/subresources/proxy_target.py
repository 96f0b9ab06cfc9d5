"""Whom a `proxy` path means: `name`, `name:port`, `https:name:port`. Pure.

Source: ResourceLocation of kubernetes/pkg/registry/core/{pod,service,node}; SplitSchemeNamePort of
k8s.io/apimachinery/pkg/util/net.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wherry.api.errors import ApiError, bad_request, status_error
from wherry.api.numerals import is_whole, whole

HTTP_PORT = 80
SERVICE_LABEL = "kubernetes.io/service-name"

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A proxy path's name taken apart. `scheme` is "" when it is not said."""

    name: str
    scheme: str = ""
    port: str = ""

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"


def split_name(kind: str, text: str) -> Wanted:
    """ApiError 400 when it is none of the forms."""
    parts = text.split(":")
    if len(parts) == 1:
        wanted = Wanted(text)
    elif len(parts) == 2:
        wanted = Wanted(parts[0], port=parts[1])
    elif len(parts) == 3 and parts[0] in ("http", "https"):
        wanted = Wanted(parts[1], parts[0], parts[2])
    else:
        wanted = Wanted("")
    if not wanted.name:
        raise bad_request(f'invalid {kind} request "{text}"')
    return wanted


def pod_port(pod: Tree, wanted: Wanted) -> int:
    """The port's number: as said, by its name, else the first one declared, else 80."""
    every = [port for one in pod["spec"]["containers"] for port in one.get("ports") or ()]
    if not wanted.port:
        return int(every[0]["containerPort"]) if every else HTTP_PORT
    if is_whole(wanted.port):
        return _number(wanted.port)
    for port in every:
        if port.get("name") == wanted.port:
            return int(port["containerPort"])
    raise bad_request(f'pod "{wanted.name}" has no port "{wanted.port}"')


def _number(text: str) -> int:
    number = whole(text) or 0
    if not 0 < number < 65536:
        raise bad_request(f'invalid port "{text}"')
    return number


def port_of_node(wanted: Wanted) -> int:
    """The port said; ApiError 400 when it is no number."""
    if not is_whole(wanted.port):
        raise bad_request(f'invalid node request "{wanted.name}:{wanted.port}"')
    return _number(wanted.port)


def service_port_name(service: Tree, wanted: Wanted) -> str:
    """The name of the service's port; ApiError 503 when it has none of that number."""
    if not is_whole(wanted.port):
        return wanted.port
    for port in service["spec"].get("ports") or ():
        if port["port"] == whole(wanted.port):
            return str(port.get("name", ""))
    raise unavailable(f'no service port {wanted.port} found for service "{wanted.name}"')


def ready_pods(slices: Iterable[Tree], service: str, port_name: str) -> Iterator[tuple[str, int]]:
    """The pods behind a service's port and the port's number there.

    Only pods: an address written by hand must not make this server speak to whatever it names.
    """
    for one in slices:
        if one["metadata"].get("labels", {}).get(SERVICE_LABEL) != service:
            continue
        numbers = [
            port["port"] for port in one.get("ports") or ()
            if port.get("name", "") == port_name and port.get("port")
        ]  # fmt: skip
        for endpoint in one.get("endpoints") or ():
            target = endpoint.get("targetRef") or {}
            if endpoint.get("conditions", {}).get("ready", True) and target.get("kind") == "Pod":
                for number in numbers:
                    yield target["name"], number


def check_address(address: str) -> None:
    """ApiError 400 for addresses nobody may be sent to by this server."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise bad_request("address not allowed") from None
    if found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified:
        raise bad_request("address not allowed")


def host_and_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def unavailable(message: str) -> ApiError:
    return status_error("ServiceUnavailable", message)
