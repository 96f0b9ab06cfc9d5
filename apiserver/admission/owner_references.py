"""OwnerReferencesPermissionEnforcement: who ties an object to an owner could have deleted it anyway.

An owner reference is a deletion in waiting, and `blockOwnerDeletion` holds up the owner's own: the first
needs the right to delete the object, the second that to update the owner's finalizers. Off by default.

Source: plugin/pkg/admission/gc.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiserver.admission.attributes import PODS, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.authz.authorizer import Attributes as Asked
from apiserver.authz.authorizer import Authorizer
from wherry.api.errors import ApiError, go_quote
from wherry.api.scheme import RESOURCES, Resource

Owner = Mapping[str, Any]


class OwnerReferencesPermissionEnforcement(Plugin):
    name = "OwnerReferencesPermissionEnforcement"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.operation not in ("CREATE", "UPDATE") or attributes.tree is None:
            return
        if attributes.resource is PODS and attributes.subresource == "status":
            return  # the strategy keeps the owners there
        new, old = _owners(attributes.tree), _owners(attributes.old)
        if new == old:
            return
        if attributes.operation == "UPDATE":
            self._may_delete(attributes)
        blocking = list(newly_blocking(new, old))
        if not blocking or self._may_finalize_anything(attributes):
            return
        for owner in blocking:
            self._may_finalize(attributes, owner)

    def _may_delete(self, attributes: Attributes) -> None:
        resource = attributes.resource
        decision = self._authorizer.authorize(
            Asked(
                attributes.user, "delete", attributes.namespace, resource.group, resource.version,
                resource.plural, attributes.subresource, attributes.name,
            )
        )  # fmt: skip
        if not decision.allowed:
            why = "cannot set an ownerRef on a resource you can't delete"
            raise refuse(attributes, f"{why}: {decision.reason}, <nil>")

    def _may_finalize_anything(self, attributes: Attributes) -> bool:
        asked = Asked(attributes.user, "update", "", "*", "*", "*", "finalizers", "*")
        return self._authorizer.authorize(asked).allowed

    def _may_finalize(self, attributes: Attributes, owner: Owner) -> None:
        for resource in self._resources(attributes, owner):
            namespace = attributes.namespace if resource.namespaced else ""
            decision = self._authorizer.authorize(
                Asked(
                    attributes.user, "update", namespace, resource.group, resource.version,
                    resource.plural, "finalizers", owner.get("name", ""),
                )
            )  # fmt: skip
            if not decision.allowed:
                why = (
                    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you "
                    f"can't set finalizers on: {decision.reason}, <nil>"
                )
                raise refuse(attributes, why)

    def _resources(self, attributes: Attributes, owner: Owner) -> list[Resource]:
        version, kind = owner.get("apiVersion", ""), owner.get("kind", "")
        found = [one for one in RESOURCES if (one.api_version, one.kind) == (version, kind)]
        if not found:
            raise self._no_such_kind(attributes, version, kind)
        return found

    def _no_such_kind(self, attributes: Attributes, version: str, kind: str) -> ApiError:
        why = (
            "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
            f"APIVersion {version} Kind {kind}: "
            f"no matches for kind {go_quote(kind)} in version {go_quote(version)}"
        )
        return refuse(attributes, why)


def newly_blocking(new: list[Owner], old: list[Owner]) -> Iterator[Owner]:
    """Owners whose deletion is held up now, and was not before."""
    blocked = {one.get("uid") for one in old if one.get("blockOwnerDeletion")}
    return (one for one in new if one.get("blockOwnerDeletion") and one.get("uid") not in blocked)


def _owners(tree: Mapping[str, Any] | None) -> list[Owner]:
    metadata = (tree or {}).get("metadata") or {}
    return metadata.get("ownerReferences") or []
