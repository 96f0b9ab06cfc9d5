"""Nodes: what a kubelet registered, its taints and pod ranges.

Source: pkg/registry/core/node/strategy.go, ValidateNode of pkg/apis/core/validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.core.node_printer import COLUMNS, node_row
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.resources import amount_of
from apiserver.registry.validation.words import each, invalids, unsupported
from wherry.api import names
from wherry.api.core_v1 import Node
from wherry.api.errors import FieldError, duplicate, forbidden_field, go_quote, invalid, required
from wherry.api.scheme import resource_of

TAINT_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# Spec fields that an update may change at any time.
_FREE: Final = frozenset({"taints", "unschedulable", "configSource"})
_ONLY_THESE: Final = (
    "node updates may only change labels, taints, or capacity (or configSource, "
    "if the DynamicKubeletConfig feature gate is enabled)"
)


class NodeStrategy(Strategy):
    """Created with its status by the kubelet; afterwards each has its own path."""

    resource = resource_of(Node)
    columns = COLUMNS

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec, status = tree["spec"], tree["status"]
        if cidr := spec.get("podCIDR"):
            cidrs = spec.get("podCIDRs", ())
            if not cidrs or cidrs[0] != cidr:
                spec["podCIDRs"] = [cidr]
        elif cidrs := spec.get("podCIDRs"):
            spec["podCIDR"] = cidrs[0]
        if status.get("capacity") and not status.get("allocatable"):
            status["allocatable"] = dict(status["capacity"])

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        errors = taints(spec.get("taints", ())) + _amounts(tree["status"])
        return errors + _pod_cidrs(spec.get("podCIDRs", ()))

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        new, before = tree["spec"], old["spec"]
        errors = _amounts(tree["status"])
        for field, path in (("podCIDRs", "spec.podCIDRs"), ("providerID", "spec.providerID")):
            if before.get(field) and new.get(field) != before[field]:
                named = "podCIDR" if field == "podCIDRs" else field
                detail = f'node updates may not change {named} except from "" to valid'
                errors.append(forbidden_field(path, detail))
        errors += taints(new.get("taints", ()))
        fixed = set(new) | set(before)
        for field in fixed - _FREE - {"podCIDR", "podCIDRs", "providerID"}:
            if new.get(field) != before.get(field):
                return [*errors, forbidden_field("", _ONLY_THESE)]
        return errors

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors = _amounts(tree["status"])
        seen: list[Any] = []
        for index, address in enumerate(tree["status"].get("addresses", ())):
            if address in seen:
                errors.append(duplicate(f"status.addresses[{index}]", address))
            seen.append(address)
        return errors

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        unschedulable = bool(tree["spec"].get("unschedulable"))
        return {"spec.unschedulable": "true" if unschedulable else "false"}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return node_row(tree, now)


def _amounts(status: Mapping[str, Any]) -> list[FieldError]:
    return [
        error
        for field in ("capacity", "allocatable")
        for name, amount in status.get(field, {}).items()
        for error in amount_of(name, amount, f"status.{field}[{name}]")
    ]


def taints(found: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Taints of a node. Upstream's paths say `metadata.taints`; so do ours."""
    path = "metadata.taints"
    errors = each(found, path, _taint)
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(found):
        key = taint["key"], taint["effect"]
        if key in seen:
            shown = {
                "Key": taint["key"],
                "Value": taint.get("value", ""),
                "Effect": taint["effect"],
            }
            message = (
                f"Duplicate value: {go_quote({**shown, 'TimeAdded': taint.get('timeAdded')})}: "
                "taints must be unique by key and effect pair"
            )
            errors.append(FieldError("FieldValueDuplicate", f"{path}[{index}]", message))
        seen.add(key)
    return errors


def _taint(taint: Mapping[str, Any], path: str) -> list[FieldError]:
    errors = invalids(f"{path}.key", taint["key"], names.label_key(taint["key"]))
    value = taint.get("value", "")
    if problems := names.label_value(value):
        errors.append(invalid(f"{path}.value", value, ";".join(problems)))
    if not taint["effect"]:
        errors.append(required(f"{path}.effect"))
    elif taint["effect"] not in TAINT_EFFECTS:
        errors.append(unsupported(f"{path}.effect", taint["effect"], TAINT_EFFECTS))
    return errors


def _pod_cidrs(cidrs: Sequence[str]) -> list[FieldError]:
    path = "spec.podCIDRs"
    errors: list[FieldError] = []
    families: list[int] = []
    for index, cidr in enumerate(cidrs):
        try:
            families.append(ipaddress.ip_network(cidr, strict=False).version)
            bad = "/" not in cidr
        except ValueError:
            bad = True
        if bad:
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            errors.append(invalid(f"{path}[{index}]", cidr, detail))
    if len(cidrs) > 1 and sorted(families) != [4, 6]:
        detail = "may specify no more than one CIDR for each IP family"
        errors.append(invalid(path, list(cidrs), detail))
    return errors
