"""OpenAPI v3 documents, one for each group and version. Pure functions of models and descriptors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.discovery.paths import Paths
from apiserver.discovery.schemas import META, Schemas, schema_name
from wherry.api.authentication_v1 import TokenRequest
from wherry.api.autoscaling_v1 import Scale
from wherry.api.meta_v1 import DeleteOptions, ListMeta, Status
from wherry.api.model import TypedModel
from wherry.api.policy_v1 import Eviction
from wherry.api.scheme import Resource
from wherry.api.shape import shape_of

Tree = dict[str, Any]

# What subresources take and answer with, where that is no resource's own kind.
_SUBRESOURCE_MODELS: tuple[type[TypedModel], ...] = (Scale, Eviction, TokenRequest)
_PATCH: Tree = {
    "type": "object",
    "description": "A patch; its content type says how it is read.",
}


def document_path(resource: Resource) -> str:
    """Where the resource's document is found below /openapi/v3: `api/v1`, `apis/apps/v1`."""
    return resource.root[1:]


def document(
    resources: Iterable[Resource], all_resources: Iterable[Resource], version: str
) -> Tree:
    """The document of one group and version."""
    schemas = Schemas()
    models = {resource.kind: resource.model for resource in all_resources}
    models |= {model.GVK.kind: model for model in _SUBRESOURCE_MODELS}
    paths: dict[str, Tree] = {}
    for resource in resources:
        references = _references(schemas, resource, models)
        paths |= Paths(resource, references).build()
    schemas.found[f"{META}.Patch"] = _PATCH
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.found.items())),
            "securitySchemes": {
                "BearerToken": {
                    "type": "apiKey", "name": "authorization", "in": "header",
                    "description": "Bearer Token authentication",
                }
            },
        },
    }  # fmt: skip


def _references(
    schemas: Schemas, resource: Resource, models: dict[str, type[TypedModel]]
) -> dict[str, str]:
    """The `$ref` of each kind the resource's operations speak of."""
    found = {}
    kinds = [resource.kind, *(sub.kind.kind for sub in resource.subresources)]
    for kind in kinds:
        # A kind of this name may be in another group too; the resource's own is its model's.
        model = resource.model if kind == resource.kind else models.get(kind)
        if model is not None:
            found[kind] = _kind_reference(schemas, model)
    for model in (DeleteOptions, Status):
        found[model.__name__] = _kind_reference(schemas, model)
    if "list" in resource.verbs:
        reference = schemas.list_reference(resource, shape_of(resource.model), shape_of(ListMeta))
        found[resource.list_kind] = reference
    return found


def _kind_reference(schemas: Schemas, model: type[TypedModel]) -> str:
    reference = schemas.reference(shape_of(model))
    schemas.add_kind(schema_name(model), model.GVK)
    return reference
