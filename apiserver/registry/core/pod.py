"""Pods.

Their defaults, rules and rows are in `pod_defaults.py`, `validation/pod*.py` and `pod_printer.py`.

Source: pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.core.pod_defaults import default_pod
from apiserver.registry.core.pod_parts import (
    EPHEMERAL_CONTAINERS,
    keep_ephemeral_containers,
    keep_resources,
)
from apiserver.registry.core.pod_printer import COLUMNS, pod_row
from apiserver.registry.core.pod_qos import qos_class
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.pod import validate_pod
from apiserver.registry.validation.pod_parts import (
    validate_ephemeral_containers_update,
    validate_resize,
)
from apiserver.registry.validation.pod_update import (
    validate_pod_status_update,
    validate_pod_update,
)
from apiserver.registry.validation.pod_warnings import pod_warnings
from wherry.api.core_v1 import Pod
from wherry.api.errors import FieldError
from wherry.api.scheme import resource_of

PENDING: Final = "Pending"
_ENDED: Final = ("Succeeded", "Failed")
_GATED: Final[Mapping[str, Any]] = {
    "type": "PodScheduled",
    "status": "False",
    "lastProbeTime": None,
    "lastTransitionTime": None,
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


class PodStrategy(Strategy):
    """A pod starts as Pending; its kubelet writes its status and ends it."""

    resource = resource_of(Pod)
    has_generation = True
    has_grace_period = True
    columns = COLUMNS

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        default_pod(tree)

    def prepare_for_create(self, tree: Tree) -> None:
        spec = tree["spec"]
        tree["status"] = {"phase": PENDING}
        if spec.get("schedulingGates"):
            tree["status"]["conditions"] = [dict(_GATED)]
        tree["status"]["qosClass"] = qos_class(spec)
        _merge_label_keys(spec, tree["metadata"].get("labels", {}))

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])
        _keep_noted(tree["status"], old["status"])
        owners = old["metadata"].get("ownerReferences")
        if owners:
            tree["metadata"]["ownerReferences"] = owners
        else:
            tree["metadata"].pop("ownerReferences", None)

    def prepare_for_part(self, part: str, tree: Tree, old: Mapping[str, Any]) -> None:
        if part == EPHEMERAL_CONTAINERS:
            keep_ephemeral_containers(tree, old)
        else:
            keep_resources(tree, old)

    def validate(self, tree: Tree) -> list[FieldError]:
        return validate_pod(tree)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_pod_update(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_pod_status_update(tree, old)

    def validate_part_update(
        self, part: str, tree: Tree, old: Mapping[str, Any]
    ) -> list[FieldError]:
        if part == EPHEMERAL_CONTAINERS:
            return validate_ephemeral_containers_update(tree, old)
        return validate_resize(tree, old)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        return pod_warnings(tree, old)

    def grace_period(self, tree: Mapping[str, Any], asked: int | None) -> int:
        spec = tree["spec"]
        if not spec.get("nodeName") or tree["status"].get("phase") in _ENDED:
            return 0
        period = spec.get("terminationGracePeriodSeconds") if asked is None else asked
        if period is None:
            return 0
        return 1 if period < 0 else int(period)

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        spec, status = tree["spec"], tree["status"]
        return {
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.restartPolicy": spec.get("restartPolicy", ""),
            "spec.schedulerName": spec.get("schedulerName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": status.get("phase", ""),
            "status.podIP": status.get("podIP", ""),
            "status.podIPs": status.get("podIP", ""),
            "status.nominatedNodeName": status.get("nominatedNodeName", ""),
        }

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return pod_row(tree, now)


def _keep_noted(status: Tree, before: Mapping[str, Any]) -> None:
    """What older kubelets do not know, and so leave out, stays: QoS class, observed generations."""
    for field in ("qosClass", "observedGeneration"):
        if not status.get(field) and before.get(field):
            status[field] = before[field]
    seen = {
        one["type"]: one["observedGeneration"]
        for one in before.get("conditions", ())
        if one.get("observedGeneration")
    }
    for one in status.get("conditions", ()):
        if not one.get("observedGeneration") and one["type"] in seen:
            one["observedGeneration"] = seen[one["type"]]


def _merge_label_keys(spec: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """Turn `matchLabelKeys` into requirements on this pod's own label values."""
    for constraint in spec.get("topologySpreadConstraints", ()):
        _merge(constraint, labels)
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for term in terms.get("requiredDuringSchedulingIgnoredDuringExecution", ()):
            _merge(term, labels)
        for weighted in terms.get("preferredDuringSchedulingIgnoredDuringExecution", ()):
            _merge(weighted["podAffinityTerm"], labels)


def _merge(holder: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    selector = holder.get("labelSelector")
    if selector is None:
        return
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in holder.get(field, ()):
            if key in labels:
                requirement = {"key": key, "operator": operator, "values": [labels[key]]}
                selector.setdefault("matchExpressions", []).append(requirement)
