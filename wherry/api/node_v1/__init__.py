"""The types of the node group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.node_v1.runtimeclass import Overhead as Overhead
    from wherry.api.node_v1.runtimeclass import RuntimeClass as RuntimeClass
    from wherry.api.node_v1.runtimeclass import Scheduling as Scheduling

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "runtimeclass": ("Overhead", "RuntimeClass", "Scheduling"),
    },
)
