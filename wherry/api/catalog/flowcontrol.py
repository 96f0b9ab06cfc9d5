"""The flowcontrol.apiserver.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource, status

MODELS = "wherry.api.flowcontrol_v1"
GROUP = "flowcontrol.apiserver.k8s.io"

RESOURCES = (
    Resource(
        GROUP, "v1", "FlowSchema", "flowschemas", MODELS, namespaced=False,
        subresources=(status(f"{GROUP}/v1", "FlowSchema"),),
    ),
    Resource(
        GROUP, "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations", MODELS,
        namespaced=False, subresources=(status(f"{GROUP}/v1", "PriorityLevelConfiguration"),),
    ),
)  # fmt: skip
