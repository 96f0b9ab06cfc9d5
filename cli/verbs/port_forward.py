"""`wherry port-forward`: local ports that lead to ports of a pod.

A Service or workload means one of its pods, chosen at the start; a Service's port is its target port.

Source: k8s.io/kubectl/pkg/cmd/portforward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from cli.errors import CliError
from cli.options import Argument, Option
from cli.pods import pods_of
from cli.session import Session
from cli.targets import one_object

PORT_MAX = 65535


def port_forward(
    session: Session,
    words: Annotated[list[str], Argument("POD | KIND/NAME [LOCAL:]REMOTE...")],
    address: Annotated[str, Option("--address", help="Where to listen.")] = "localhost",
) -> None:
    """Forward local ports to a pod."""
    name, *ports = words
    if not ports:
        raise CliError("at least 1 PORT is required for port-forward")
    resource, object_name = one_object([name], session.catalogue, "pods")
    service = None
    if resource.kind == "Service":
        service = session.api.get(resource.path(session.namespace, object_name))
    found = pods_of(session, resource, object_name)
    if not found:
        raise CliError(f"no pods are selected by {name}")
    pod = found[0]
    phase = pod.get("status", {}).get("phase")
    if phase != "Running":
        raise CliError(f"unable to forward port because pod is not running. Current status={phase}")
    from cli.forwarding import Pair, addresses, forward

    pairs = [Pair(*parse_pair(text, pod, service)) for text in ports]
    path = session.catalogue.resource("pods").path(
        pod["metadata"]["namespace"], pod["metadata"]["name"], "portforward"
    )
    forward(session.api, path, pairs, addresses(address))


def parse_pair(
    text: str, pod: Mapping[str, Any], service: Mapping[str, Any] | None
) -> tuple[int, int]:
    """`8080:80`, `80`, `:80`, and names of ports → local and the pod's port."""
    local_text, colon, remote_text = text.rpartition(":")
    said = remote_port(remote_text, pod, service)
    remote = said if service is None else target_port(said, pod, service)
    if not colon:
        return (said if remote_text.isdigit() else remote), remote
    return (_number(local_text, least=0) if local_text else 0), remote


def remote_port(text: str, pod: Mapping[str, Any], service: Mapping[str, Any] | None) -> int:
    """The number of a port of the Service, or of the pod when there is none."""
    if text.isdigit():
        return _number(text, least=1)
    if service is not None:
        for port in service["spec"].get("ports") or ():
            if port.get("name") == text:
                return int(port["port"])
        raise CliError(
            f"Service '{service['metadata']['name']}' does not have a named port '{text}'"
        )
    return _container_port(text, pod)


def target_port(number: int, pod: Mapping[str, Any], service: Mapping[str, Any]) -> int:
    """The pod's port behind a Service's."""
    for port in service["spec"].get("ports") or ():
        if port["port"] == number:
            if service["spec"].get("clusterIP") == "None":
                return number
            target = port.get("targetPort") or number
            return target if isinstance(target, int) else _container_port(target, pod)
    name = service["metadata"]["name"]
    raise CliError(f"Service {name} does not have a service port {number}")


def _container_port(name: str, pod: Mapping[str, Any]) -> int:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    raise CliError(f"Pod '{pod['metadata']['name']}' does not have a named port '{name}'")


def _number(text: str, *, least: int) -> int:
    if not text.isdigit() or not least <= int(text) <= PORT_MAX:
        raise CliError(f"error parsing local port '{text}': it must be {least} to {PORT_MAX}")
    return int(text)
