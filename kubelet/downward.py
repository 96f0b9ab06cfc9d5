"""The downward API: what a pod may ask about itself, as text.

One answer for environment variables (`valueFrom.fieldRef`, `resourceFieldRef`) and for files of
downwardAPI volumes. Pure: everything is a function of the pod, its addresses and its node.

Source: upstream's pkg/fieldpath and pkg/api/v1/resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from wherry.api.core_v1 import Container, Node, Pod, PodStatus, ResourceFieldSelector
from wherry.api.quantity import parse

_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']*)'\]")


class FieldRefError(ValueError):
    """A field path or resource that the downward API does not know."""


@dataclass(frozen=True)
class Addresses:
    """Where a pod and its node can be reached, the first address before all; empty while not known."""

    pod_ips: Sequence[str] = ()
    host_ips: Sequence[str] = ()

    @classmethod
    def of(cls, status: PodStatus) -> Addresses:
        """As the pod's status tells them."""
        hosts = [one.ip for one in status.host_ips] or [status.host_ip]
        pods = [one.ip for one in status.pod_ips] or [status.pod_ip]
        return cls([ip for ip in pods if ip], [ip for ip in hosts if ip])


def format_map(values: Mapping[str, str]) -> str:
    """Labels or annotations, one `key="value"` a line, in order."""
    return "\n".join(
        f"{key}={json.dumps(values[key], ensure_ascii=False)}" for key in sorted(values)
    )


def field_value(pod: Pod, path: str, addresses: Addresses) -> str:
    """The text of one field of the pod; FieldRefError when the path means nothing."""
    meta = pod.metadata
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        values = meta.labels if subscript[1] == "metadata.labels" else meta.annotations
        return values.get(subscript[2], "")
    known = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": next(iter(addresses.host_ips), ""),
        "status.hostIPs": ",".join(addresses.host_ips),
        "status.podIP": next(iter(addresses.pod_ips), ""),
        "status.podIPs": ",".join(addresses.pod_ips),
    }
    if path in known:
        return known[path]
    if path == "metadata.labels":
        return format_map(meta.labels)
    if path == "metadata.annotations":
        return format_map(meta.annotations)
    raise FieldRefError(f"unsupported fieldPath: {path}")


def resource_value(container: Container, selector: ResourceFieldSelector, node: Node | None) -> str:
    """A container's request or limit divided by the divisor, rounded up.

    A limit that is not set is what the node has to give.
    """
    section, _, resource = selector.resource.partition(".")
    if section == "limits":
        found = container.resources.limits.get(resource)
        if found is None and node is not None:
            found = node.status.allocatable.get(resource)
    elif section == "requests":
        found = container.resources.requests.get(resource)
    else:
        raise FieldRefError(f"unsupported container resource : {selector.resource}")
    divisor = parse(selector.divisor or "0") or Decimal(1)
    amount = parse(found or "0") / divisor
    return str(int(amount.to_integral_value(rounding=ROUND_CEILING)))


def referenced_container(pod: Pod, selector: ResourceFieldSelector) -> Container:
    """The container a resourceFieldRef of a volume names."""
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        if container.name == selector.container_name:
            return container
    raise FieldRefError(f"container {selector.container_name} not found")
