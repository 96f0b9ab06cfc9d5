"""The quality-of-service class of a pod.

Source: pkg/apis/core/v1/helper/qos/qos.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from apiserver.codec.recall import Recall, key_of
from wherry.api import quantity

GUARANTEED: Final = "Guaranteed"
BURSTABLE: Final = "Burstable"
BEST_EFFORT: Final = "BestEffort"
_COUNTED: Final = ("cpu", "memory")
_NONE: Final[Mapping[str, str]] = {}


def qos_class(spec: Mapping[str, Any]) -> str:
    """Guaranteed when every container limits cpu and memory to what it requests."""
    pod_level = spec.get("resources") or {}
    holders: Sequence[Mapping[str, Any]] = (
        [pod_level]
        if pod_level.get("requests") or pod_level.get("limits")
        else [
            container["resources"]
            for container in chain(spec.get("containers") or (), spec.get("initContainers") or ())
        ]
    )
    key = key_of(holders) or b""  # no quantity is beyond JSON
    found = _classes.get(key)
    if found is None:
        found = _class_of(holders)
        _classes.put(key, found)
    return found


_classes: Recall[str] = Recall()


def _class_of(holders: Iterable[Mapping[str, Any]]) -> str:
    requests: dict[str, Decimal] = {}
    limits: dict[str, Decimal] = {}
    all_limited = True
    for resources in holders:
        _add(requests, resources.get("requests", _NONE))
        all_limited &= _add(limits, resources.get("limits", _NONE)) == len(_COUNTED)
    if not requests and not limits:
        return BEST_EFFORT
    return GUARANTEED if all_limited and requests == limits else BURSTABLE


def _add(totals: dict[str, Decimal], amounts: Mapping[str, str]) -> int:
    """Add the amounts that are not zero; answers how many there were."""
    found = 0
    for name in _COUNTED:
        amount = amounts.get(name)
        if amount is not None and amount != "0":
            totals[name] = totals.get(name, Decimal(0)) + quantity.parse(amount)
            found += 1
    return found
