"""Nodes, with the pods on them and what those ask for.

Source: k8s.io/kubectl/pkg/describe describeNode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cli.describe.events import describe_events
from cli.describe.text import NONE, Page, Tree, moment, seconds_since
from wherry.api.duration import human_duration
from wherry.api.quantity import format_milli, format_value, milli, value

_ROLE = "node-role.kubernetes.io/"
_INFO = (
    ("Machine ID", "machineID"), ("System UUID", "systemUUID"), ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"), ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"), ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"), ("Kube-Proxy Version", "kubeProxyVersion"),
)  # fmt: skip


def describe_node(
    node: Tree, lease: Tree | None, pods: Sequence[Tree], events: Sequence[Tree], now: datetime
) -> str:
    page = Page()
    meta, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    labels = meta.get("labels") or {}
    roles = sorted(key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE))
    page.line(0, "Name:", meta["name"])
    page.line(0, "Roles:", ",".join(roles) or NONE)
    page.pairs(0, "Labels", labels)
    page.pairs(0, "Annotations", meta.get("annotations"), ": ")
    page.line(0, "CreationTimestamp:", moment(meta.get("creationTimestamp")))
    taints = [_taint(one) for one in spec.get("taints") or ()]
    page.line(0, "Taints:", taints[0] if taints else NONE)
    for taint in taints[1:]:
        page.line(0, "", taint)
    page.line(0, "Unschedulable:", str(bool(spec.get("unschedulable"))).lower())
    _lease(page, lease)
    _conditions(page, status.get("conditions") or ())
    page.line(0, "Addresses:")
    for address in status.get("addresses") or ():
        page.line(1, f"{address['type']}:", address["address"])
    for label, field in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        page.line(0, f"{label}:")
        held = status.get(field) or {}
        for name in sorted(held):
            page.line(1, f"{name}:", held[name])
    page.line(0, "System Info:")
    for label, field in _INFO:
        page.line(1, f"{label}:", (status.get("nodeInfo") or {}).get(field, ""))
    for label, field in (("PodCIDR", "podCIDR"), ("ProviderID", "providerID")):
        if spec.get(field):
            page.line(0, f"{label}:", spec[field])
    if spec.get("podCIDRs"):
        page.line(0, "PodCIDRs:", ",".join(spec["podCIDRs"]))
    running = [p for p in pods if p.get("status", {}).get("phase") not in ("Succeeded", "Failed")]
    _pods(page, running, status.get("allocatable") or {}, now)
    describe_events(page, events, now)
    return page.text()


def _taint(taint: Tree) -> str:
    held = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{held}:{taint['effect']}"


def _lease(page: Page, lease: Tree | None) -> None:
    page.line(0, "Lease:")
    spec = (lease or {}).get("spec") or {}
    page.line(1, "HolderIdentity:", spec.get("holderIdentity") or "<unset>")
    page.line(
        1, "AcquireTime:", moment(spec["acquireTime"]) if spec.get("acquireTime") else "<unset>"
    )
    page.line(1, "RenewTime:", moment(spec["renewTime"]) if spec.get("renewTime") else "<unset>")


def _conditions(page: Page, held: Sequence[Tree]) -> None:
    if not held:
        return
    page.line(0, "Conditions:")
    rows = [
        [
            one["type"], one["status"], moment(one.get("lastHeartbeatTime")),
            moment(one.get("lastTransitionTime")), one.get("reason", ""), one.get("message", ""),
        ]
        for one in held
    ]  # fmt: skip
    head = ["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"]
    page.table(1, head, rows)


def requested(pod: Tree, field: str, resource: str) -> int:
    """What a pod asks for: cpu in thousandths, the rest in units. The greater of all containers
    together and the greediest init container."""
    read = milli if resource == "cpu" else value
    spec = pod["spec"]

    def of(containers: Sequence[Tree]) -> list[int]:
        held = [(one.get("resources") or {}).get(field) or {} for one in containers]
        return [read(one.get(resource, "0")) for one in held]

    init = spec.get("initContainers") or ()
    beside = [one for one in init if one.get("restartPolicy") == "Always"]
    before = [one for one in init if one not in beside]
    return max([sum(of(spec["containers"])) + sum(of(beside)), *of(before)])


def _pods(page: Page, pods: Sequence[Tree], allocatable: Mapping[str, str], now: datetime) -> None:
    columns = (
        ("CPU Requests", "requests", "cpu"), ("CPU Limits", "limits", "cpu"),
        ("Memory Requests", "requests", "memory"), ("Memory Limits", "limits", "memory"),
    )  # fmt: skip
    totals = dict.fromkeys(columns, 0)
    rows: list[list[str]] = []
    for pod in sorted(pods, key=lambda p: (p["metadata"]["namespace"], p["metadata"]["name"])):
        meta, cells = pod["metadata"], []
        for key in columns:
            amount = requested(pod, key[1], key[2])
            totals[key] += amount
            cells.append(_share(amount, key[2], allocatable))
        age = human_duration(seconds_since(meta.get("creationTimestamp"), now))
        rows.append([meta["namespace"], meta["name"], *cells, age])
    page.line(0, "Non-terminated Pods:", f"({len(pods)} in total)")
    page.table(1, ["Namespace", "Name", *(key[0] for key in columns), "Age"], rows)
    page.line(0, "Allocated resources:")
    page.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)")
    shown = [
        [resource, *(_share(totals[key], resource, allocatable) for key in columns if key[2] == resource)]
        for resource in ("cpu", "memory")
    ]  # fmt: skip
    page.table(1, ["Resource", "Requests", "Limits"], shown)


def _share(amount: int, resource: str, allocatable: Mapping[str, str]) -> str:
    """`100m (5%)`."""
    is_cpu = resource == "cpu"
    whole = (milli if is_cpu else value)(allocatable.get(resource, "0"))
    text = format_milli(amount) if is_cpu else format_value(amount, binary=True)
    return f"{text} ({amount * 100 // whole if whole else 0}%)"
