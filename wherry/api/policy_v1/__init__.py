"""The types of the policy group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.policy_v1.eviction import Eviction as Eviction

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "eviction": ("Eviction",),
    },
)
