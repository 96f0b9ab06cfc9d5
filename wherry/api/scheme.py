"""The one list of what the API serves: every resource, its names, its model, its verbs.

Routes, discovery, OpenAPI, client paths, CLI names and the garbage collector are all driven by
`RESOURCES`. A built-in kind is a model, a descriptor in `catalog/` and a strategy in the API server.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from wherry.api.catalog import (
    admissionregistration,
    apps,
    authentication,
    authorization,
    autoscaling,
    batch,
    certificates,
    coordination,
    core,
    discovery,
    events,
    flowcontrol,
    metrics,
    networking,
    node,
    policy,
    rbac,
    resource,
    scheduling,
    storage,
)
from wherry.api.model import GroupVersionKind, TypedModel
from wherry.api.resource import Resource as Resource
from wherry.api.resource import Subresource as Subresource

RESOURCES: tuple[Resource, ...] = (
    *core.RESOURCES,
    *apps.RESOURCES,
    *admissionregistration.RESOURCES,
    *authentication.RESOURCES,
    *authorization.RESOURCES,
    *autoscaling.RESOURCES,
    *batch.RESOURCES,
    *certificates.RESOURCES,
    *coordination.RESOURCES,
    *discovery.RESOURCES,
    *events.RESOURCES,
    *flowcontrol.RESOURCES,
    *networking.RESOURCES,
    *node.RESOURCES,
    *policy.RESOURCES,
    *rbac.RESOURCES,
    *resource.RESOURCES,
    *scheduling.RESOURCES,
    *storage.RESOURCES,
    *metrics.RESOURCES,
)

BY_PLURAL: Mapping[tuple[str, str, str], Resource] = MappingProxyType(
    {(r.group, r.version, r.plural): r for r in RESOURCES}
)
BY_KIND: Mapping[GroupVersionKind, Resource] = MappingProxyType({r.gvk: r for r in RESOURCES})


@cache  # bounded by the number of model classes
def resource_of(model: type[TypedModel]) -> Resource:
    """The resource whose objects are of this class; KeyError when it is not served."""
    return BY_KIND[model.GVK]
