"""The networking.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource, status

MODELS = "wherry.api.networking_v1"
GROUP = "networking.k8s.io"

RESOURCES = (
    Resource(
        GROUP, "v1", "Ingress", "ingresses", MODELS, short_names=("ing",), storage="ingress",
        subresources=(status("networking.k8s.io/v1", "Ingress"),),
    ),
    Resource(GROUP, "v1", "IngressClass", "ingressclasses", MODELS, namespaced=False),
    Resource(
        GROUP, "v1", "IPAddress", "ipaddresses", MODELS, namespaced=False, short_names=("ip",),
    ),
    Resource(
        GROUP, "v1", "NetworkPolicy", "networkpolicies", MODELS, short_names=("netpol",),
    ),
    Resource(
        GROUP, "v1", "ServiceCIDR", "servicecidrs", MODELS, namespaced=False,
        subresources=(status("networking.k8s.io/v1", "ServiceCIDR"),),
    ),
)  # fmt: skip
