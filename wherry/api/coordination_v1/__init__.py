"""The types of the coordination group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.coordination_v1.lease import Lease as Lease
    from wherry.api.coordination_v1.lease import LeaseSpec as LeaseSpec

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "lease": ("Lease", "LeaseSpec"),
    },
)
