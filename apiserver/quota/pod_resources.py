"""What a pod asks for altogether. Pure.

Containers and sidecars run side by side, other init containers one after another before them. What is
said for the whole pod replaces the sum; its overhead comes on top.

Source: k8s.io/component-helpers/resource (PodRequests, PodLimits).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wherry.api import quantity

Amounts = dict[str, str]
# What may be said for a whole pod.
_POD_LEVEL: Final = ("cpu", "memory")
_HUGE_PAGES: Final = "hugepages-"


def pod_amounts(spec: Mapping[str, Any], field: str) -> Amounts:
    """The `requests` or `limits` of a pod."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        add(total, _said(container, field))
    sidecars: Amounts = {}
    highest: Amounts = {}
    for container in spec.get("initContainers") or ():
        said = _said(container, field)
        if container.get("restartPolicy") == "Always":
            add(total, said)
            add(sidecars, said)
            raise_to(highest, sidecars)
        else:
            beside = dict(sidecars)
            add(beside, said)
            raise_to(highest, beside)
    raise_to(total, highest)
    for name, amount in ((spec.get("resources") or {}).get(field) or {}).items():
        if name in _POD_LEVEL or name.startswith(_HUGE_PAGES):
            total[name] = amount
    overhead = spec.get("overhead") or {}
    add(total, {k: v for k, v in overhead.items() if field == "requests" or k in total})
    return total


def _said(container: Mapping[str, Any], field: str) -> Mapping[str, str]:
    found: Mapping[str, str] = container["resources"].get(field, {})
    return found


def add(total: Amounts, more: Mapping[str, str]) -> None:
    for name, amount in more.items():
        total[name] = quantity.add(total.get(name, "0"), amount)


def raise_to(total: Amounts, least: Mapping[str, str]) -> None:
    for name, amount in least.items():
        if name not in total or quantity.parse(total[name]) < quantity.parse(amount):
            total[name] = amount
