"""Services with their endpoints.

Source: k8s.io/kubectl/pkg/describe describeService.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cli.describe.events import describe_events
from cli.describe.text import NONE, Page, Tree, joined

ENDPOINTS_MAX = 3  # then "+ N more..."


def describe_service(
    tree: Tree, slices: Sequence[Tree], events: Sequence[Tree], now: datetime
) -> str:
    page = Page()
    meta, spec = tree["metadata"], tree["spec"]
    page.line(0, "Name:", meta["name"])
    page.line(0, "Namespace:", meta["namespace"])
    page.pairs(0, "Labels", meta.get("labels"))
    page.pairs(0, "Annotations", meta.get("annotations"), ": ")
    page.line(0, "Selector:", joined(spec.get("selector")))
    page.line(0, "Type:", spec.get("type", ""))
    for label, field in (("IP Family Policy", "ipFamilyPolicy"), ("IP Families", "ipFamilies")):
        held = spec.get(field)
        page.line(0, f"{label}:", ",".join(held) if isinstance(held, list) else held or NONE)
    page.line(0, "IP:", spec.get("clusterIP", ""))
    page.line(0, "IPs:", ",".join(spec.get("clusterIPs") or ()) or NONE)
    if spec.get("externalIPs"):
        page.line(0, "External IPs:", ",".join(spec["externalIPs"]))
    if spec.get("externalName"):
        page.line(0, "External Name:", spec["externalName"])
    for port in spec.get("ports") or ():
        name = port.get("name") or "<unset>"
        protocol = port.get("protocol", "TCP")
        page.line(0, "Port:", name, f"{port['port']}/{protocol}")
        page.line(0, "TargetPort:", f"{port.get('targetPort', port['port'])}/{protocol}")
        if port.get("nodePort"):
            page.line(0, "NodePort:", name, f"{port['nodePort']}/{protocol}")
        page.line(0, "Endpoints:", endpoints(slices, port.get("name") or ""))
    page.line(0, "Session Affinity:", spec.get("sessionAffinity", ""))
    for label, field in (
        ("External Traffic Policy", "externalTrafficPolicy"),
        ("Internal Traffic Policy", "internalTrafficPolicy"),
    ):
        if spec.get(field):
            page.line(0, f"{label}:", spec[field])
    describe_events(page, events, now)
    return page.text()


def endpoints(slices: Sequence[Tree], port_name: str) -> str:
    """Where the Service's port leads now."""
    found = []
    for one in slices:
        ports = [p for p in one.get("ports") or () if (p.get("name") or "") == port_name]
        for endpoint in one.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            for address in endpoint["addresses"]:
                host = f"[{address}]" if ":" in address else address
                found += [f"{host}:{port['port']}" for port in ports]
    shown = ",".join(found[:ENDPOINTS_MAX])
    more = len(found) - ENDPOINTS_MAX
    return f"{shown} + {more} more..." if more > 0 else shown
