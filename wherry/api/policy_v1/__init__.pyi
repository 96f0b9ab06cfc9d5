"""The types of the policy group, v1. A name is imported when it is first asked for."""

from wherry.api.policy_v1.eviction import Eviction as Eviction
from wherry.api.policy_v1.poddisruptionbudget import PodDisruptionBudget as PodDisruptionBudget
from wherry.api.policy_v1.poddisruptionbudget import (
    PodDisruptionBudgetSpec as PodDisruptionBudgetSpec,
)
from wherry.api.policy_v1.poddisruptionbudget import (
    PodDisruptionBudgetStatus as PodDisruptionBudgetStatus,
)
