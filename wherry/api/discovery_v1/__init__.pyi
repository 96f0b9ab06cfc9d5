"""The types of the discovery group, v1. A name is imported when it is first asked for."""

from wherry.api.discovery_v1.endpointslice import Endpoint as Endpoint
from wherry.api.discovery_v1.endpointslice import EndpointConditions as EndpointConditions
from wherry.api.discovery_v1.endpointslice import EndpointHints as EndpointHints
from wherry.api.discovery_v1.endpointslice import EndpointPort as EndpointPort
from wherry.api.discovery_v1.endpointslice import EndpointSlice as EndpointSlice
from wherry.api.discovery_v1.endpointslice import ForNode as ForNode
from wherry.api.discovery_v1.endpointslice import ForZone as ForZone
