"""The types of the policy group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.policy_v1.eviction import Eviction as Eviction
    from wherry.api.policy_v1.poddisruptionbudget import PodDisruptionBudget as PodDisruptionBudget
    from wherry.api.policy_v1.poddisruptionbudget import (
        PodDisruptionBudgetSpec as PodDisruptionBudgetSpec,
    )
    from wherry.api.policy_v1.poddisruptionbudget import (
        PodDisruptionBudgetStatus as PodDisruptionBudgetStatus,
    )

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "eviction": ("Eviction",),
        "poddisruptionbudget": (
            "PodDisruptionBudget",
            "PodDisruptionBudgetSpec",
            "PodDisruptionBudgetStatus",
        ),
    },
)
