"""The types of the scheduling group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.scheduling_v1.priorityclass import PriorityClass as PriorityClass

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "priorityclass": ("PriorityClass",),
    },
)
