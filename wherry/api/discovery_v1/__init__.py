"""The types of the discovery group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.discovery_v1.endpointslice import Endpoint as Endpoint
    from wherry.api.discovery_v1.endpointslice import EndpointConditions as EndpointConditions
    from wherry.api.discovery_v1.endpointslice import EndpointHints as EndpointHints
    from wherry.api.discovery_v1.endpointslice import EndpointPort as EndpointPort
    from wherry.api.discovery_v1.endpointslice import EndpointSlice as EndpointSlice
    from wherry.api.discovery_v1.endpointslice import ForNode as ForNode
    from wherry.api.discovery_v1.endpointslice import ForZone as ForZone

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "endpointslice": (
            "Endpoint",
            "EndpointConditions",
            "EndpointHints",
            "EndpointPort",
            "EndpointSlice",
            "ForNode",
            "ForZone",
        ),
    },
)
