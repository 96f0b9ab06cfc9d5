"""Pods.

Source: k8s.io/kubectl/pkg/describe describePod.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from cli.describe.containers import describe_containers, describe_volumes
from cli.describe.events import describe_events
from cli.describe.text import NONE, Page, Tree, controller, joined, moment, seconds_since
from wherry.api.duration import human_duration


def describe_pod(pod: Tree, events: Sequence[Tree], now: datetime) -> str:
    page = Page()
    _head(page, pod, now)
    spec, status = pod["spec"], pod.get("status") or {}
    for label, field, statuses in (
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        describe_containers(page, label, spec.get(field) or (), status.get(statuses) or (), 0)
    conditions = status.get("conditions") or ()
    if conditions:
        page.line(0, "Conditions:")
        page.line(1, "Type", "Status")
        for one in conditions:
            page.line(1, one["type"], one["status"])
    describe_volumes(page, spec.get("volumes") or (), 0)
    page.line(0, "QoS Class:", status.get("qosClass") or "BestEffort")
    page.pairs(0, "Node-Selectors", spec.get("nodeSelector"))
    _tolerations(page, spec.get("tolerations") or ())
    describe_events(page, events, now)
    return page.text()


def _head(page: Page, pod: Tree, now: datetime) -> None:
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    page.line(0, "Name:", meta["name"])
    page.line(0, "Namespace:", meta["namespace"])
    if spec.get("priority") is not None:
        page.line(0, "Priority:", spec["priority"])
    if spec.get("priorityClassName"):
        page.line(0, "Priority Class Name:", spec["priorityClassName"])
    page.line(0, "Service Account:", spec.get("serviceAccountName", ""))
    node = spec.get("nodeName")
    page.line(0, "Node:", f"{node}/{status.get('hostIP', '')}" if node else NONE)
    if status.get("startTime"):
        page.line(0, "Start Time:", moment(status["startTime"]))
    page.pairs(0, "Labels", meta.get("labels"))
    page.pairs(0, "Annotations", meta.get("annotations"), ": ")
    deleted = meta.get("deletionTimestamp")
    if deleted:
        ago = human_duration(seconds_since(deleted, now))
        page.line(0, "Status:", f"Terminating (lasts {ago})")
        grace = meta.get("deletionGracePeriodSeconds", 0)
        page.line(0, "Termination Grace Period:", f"{grace}s")
    else:
        page.line(0, "Status:", status.get("phase", ""))
    for label, field in (("Reason", "reason"), ("Message", "message")):
        if status.get(field):
            page.line(0, f"{label}:", status[field])
    page.line(0, "IP:", status.get("podIP", ""))
    addresses = status.get("podIPs") or ()
    page.line(0, "IPs:", *([] if addresses else [NONE]))
    for address in addresses:
        page.line(1, "IP:", address["ip"])
    owner = controller(pod)
    if owner:
        page.line(0, "Controlled By:", owner)


def _tolerations(page: Page, tolerations: Iterable[Tree]) -> None:
    texts = sorted(toleration_text(one) for one in tolerations)
    page.line(0, "Tolerations:", texts[0] if texts else NONE)
    for text in texts[1:]:
        page.line(0, "", text)


def toleration_text(one: Tree) -> str:
    """`key=value:Effect op=Exists for 300s`."""
    text = str(one.get("key", ""))
    if one.get("value"):
        text += f"={one['value']}"
    if one.get("effect"):
        text += f":{one['effect']}"
    if one.get("operator") == "Exists":
        text += " op=Exists" if text else "op=Exists"
    if one.get("tolerationSeconds") is not None:
        text += f" for {one['tolerationSeconds']}s"
    return text


def template(page: Page, tree: Tree) -> None:
    """The pod template of a workload."""
    meta, spec = tree.get("metadata") or {}, tree.get("spec") or {}
    page.line(0, "Pod Template:")
    page.line(1, "Labels:", joined(meta.get("labels")))
    if meta.get("annotations"):
        page.pairs(1, "Annotations", meta["annotations"], ": ")
    if spec.get("serviceAccountName"):
        page.line(1, "Service Account:", spec["serviceAccountName"])
    describe_containers(page, "Init Containers", spec.get("initContainers") or (), (), 1)
    describe_containers(page, "Containers", spec.get("containers") or (), (), 1)
    if spec.get("volumes"):
        describe_volumes(page, spec["volumes"], 1)
    else:
        page.line(1, "Volumes:", NONE)
    page.line(1, "Node-Selectors:", joined(spec.get("nodeSelector")))
    texts = sorted(toleration_text(one) for one in spec.get("tolerations") or ())
    page.line(1, "Tolerations:", ", ".join(texts) or NONE)
