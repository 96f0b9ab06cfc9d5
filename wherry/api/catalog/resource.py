"""The resource.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource, status

MODELS = "wherry.api.resource_v1"
GROUP = "resource.k8s.io"

RESOURCES = (
    Resource(GROUP, "v1", "DeviceClass", "deviceclasses", MODELS, namespaced=False),
    Resource(
        GROUP, "v1", "ResourceClaim", "resourceclaims", MODELS,
        subresources=(status(f"{GROUP}/v1", "ResourceClaim"),),
    ),
    Resource(GROUP, "v1", "ResourceClaimTemplate", "resourceclaimtemplates", MODELS),
    Resource(
        GROUP, "v1", "ResourceSlice", "resourceslices", MODELS, namespaced=False,
        fields=("spec.driver", "spec.nodeName"),
    ),
)  # fmt: skip
