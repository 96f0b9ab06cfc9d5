"""Table rows of Services.

Source: printService of pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.core.service_fields import EXTERNAL_NAME, LOAD_BALANCER
from apiserver.registry.printing import AGE, NAME, NONE, created, label_map
from apiserver.registry.strategy import Column

Tree = Mapping[str, Any]

COLUMNS: Final = (
    NAME,
    Column("Type", description="ClusterIP, NodePort, LoadBalancer or ExternalName."),
    Column("Cluster-IP", description="Its address inside the cluster."),
    Column("External-IP", description="Its addresses outside."),
    Column("Port(s)", description="Its ports, with the node's port behind a colon."),
    AGE,
    Column("Selector", description="Which pods serve it.", priority=1),
)


def service_row(tree: Tree, now: datetime) -> Sequence[Any]:
    """The cells of a Service's row."""
    spec = tree["spec"]
    return (
        tree["metadata"]["name"],
        spec.get("type", ""),
        (spec.get("clusterIPs") or [NONE])[0],
        _external(tree),
        ",".join(_port(one) for one in spec.get("ports", ())) or NONE,
        created(tree, now),
        label_map(spec.get("selector")),
    )


def _external(tree: Tree) -> str:
    spec = tree["spec"]
    if spec.get("type") == EXTERNAL_NAME:
        return str(spec.get("externalName", ""))
    own = list(spec.get("externalIPs", ()))
    if spec.get("type") != LOAD_BALANCER:
        return ",".join(own) or NONE
    given = [
        one.get("ip") or one.get("hostname", "")
        for one in tree["status"]["loadBalancer"].get("ingress", ())
    ]
    return ",".join([*given, *own]) or "<pending>"


def _port(port: Tree) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port.get('protocol', '')}"
