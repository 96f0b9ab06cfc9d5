"""Self-fencing: how a node tells, on its Lease, that it stops pods by itself when it is cut off.

Kubernetes has no such thing; the annotation is Wherry's own. It is written with every renewal, so the
last renewal that anybody saw says what was promised then.
"""

from __future__ import annotations

from collections.abc import Mapping

ANNOTATION = "wherry.io/self-fencing-after"  # seconds
OWNER_KIND = "StatefulSet"  # whose pods are stopped: no second one of an ordinal may ever live


def promise(annotations: Mapping[str, str]) -> float | None:
    """The seconds that are promised; None for no promise, or one that can't be read."""
    try:
        seconds = float(annotations[ANNOTATION])
    except (KeyError, ValueError):
        return None
    return seconds if seconds > 0 else None


def with_promise(annotations: Mapping[str, str], seconds: float) -> dict[str, str]:
    """The annotations with this promise; 0 takes it away."""
    others = {name: text for name, text in annotations.items() if name != ANNOTATION}
    return {**others, ANNOTATION: f"{seconds:g}"} if seconds > 0 else others
