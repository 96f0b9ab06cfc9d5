"""What Table rows of many kinds share: ages, label selectors, lists cut short.

Source: pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.strategy import Column
from wherry.api.duration import human_duration
from wherry.api.model import parse_time
from wherry.api.selectors import label_selector

UNKNOWN: Final = "<unknown>"
NONE: Final = "<none>"

NAME: Final = Column("Name", format="name", description="The object's name.")
AGE: Final = Column("Age", description="How long ago the object was created.")
# A ReplicaSet's and a ReplicationController's.
POD_SET_COLUMNS = (
    NAME,
    Column("Desired", "integer", description="Pods wanted."),
    Column("Current", "integer", description="Pods that exist."),
    Column("Ready", "integer", description="Pods that are ready."),
    AGE,
    Column("Containers", description="Names of the template's containers.", priority=1),
    Column("Images", description="Images of the template's containers.", priority=1),
    Column("Selector", description="Which pods are its own.", priority=1),
)


def age(moment: str | None, now: datetime) -> str:
    """How long ago a wire time was, as people read it."""
    if not moment:
        return UNKNOWN
    return human_duration((now - parse_time(moment)).total_seconds())


def created(tree: Mapping[str, Any], now: datetime) -> str:
    return age(tree["metadata"].get("creationTimestamp"), now)


def label_map(labels: Mapping[str, str] | None) -> str:
    """A plain selector as `a=b,c=d`."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else NONE


def label_selection(selector: Mapping[str, Any] | None) -> str:
    """A label selector as `a=b,c in (d)`."""
    return (str(label_selector(selector)) if selector is not None else "") or NONE


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A label selector as kubectl writes it."""
    if not selector:
        return NONE
    try:
        return str(label_selector(selector)) or NONE
    except ValueError:  # of an object older than today's rules
        return "<error>"


def containers(spec: Mapping[str, Any]) -> tuple[str, str]:
    """The names and images of a pod template's containers."""
    found: Sequence[Mapping[str, Any]] = spec.get("containers") or ()
    return ",".join(one["name"] for one in found), ",".join(one.get("image", "") for one in found)
