"""StorageObjectInUseProtection: storage in use does not go before its users.

Source: kubernetes/plugin/pkg/admission/storage/storageobjectinuseprotection.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from apiserver.admission.attributes import ATTRIBUTES_CLASSES, CLAIMS, VOLUMES, is_main
from apiserver.admission.interface import Attributes, Lister, Plugin
from wherry.api.scheme import Resource

FINALIZERS: Mapping[Resource, str] = MappingProxyType(
    {
        CLAIMS: "kubernetes.io/pvc-protection",
        VOLUMES: "kubernetes.io/pv-protection",
        ATTRIBUTES_CLASSES: "kubernetes.io/vac-protection",
    }
)


class StorageObjectInUseProtection(Plugin):
    """Gives each new object a finalizer, which a controller takes away when nobody uses it."""

    name = "StorageObjectInUseProtection"
    about = frozenset(FINALIZERS)

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        finalizer = FINALIZERS.get(attributes.resource)
        tree = attributes.tree
        if finalizer is None or tree is None:
            return
        if not is_main(attributes, attributes.resource, "CREATE"):
            return
        present = tree["metadata"].get("finalizers", [])
        if finalizer not in present:
            tree["metadata"]["finalizers"] = [*present, finalizer]
