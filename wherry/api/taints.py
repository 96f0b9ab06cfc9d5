"""Does a pod bear a node's taint? Pure.

Source: upstream's k8s.io/api/core/v1/toleration.go (ToleratesTaint). The operators Lt and Gt belong
to a feature that is off by default: they match nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from wherry.api.core_v1.affinity import Toleration
from wherry.api.core_v1.node import Taint


def matches(toleration: Toleration, taint: Taint) -> bool:
    """Whether the toleration is for this taint. An empty effect is for all, and so is an empty key with
    Exists."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator:
        case "" | "Equal":
            return bool(toleration.key) and toleration.value == taint.value
        case operator:
            return operator == "Exists"


def tolerates(tolerations: Iterable[Toleration], taint: Taint) -> bool:
    """Whether any of the tolerations is for the taint."""
    return any(matches(toleration, taint) for toleration in tolerations)
