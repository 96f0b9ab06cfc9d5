"""Admission for claims: the default class, and who may grow.

Source: kubernetes/plugin/pkg/admission/storage/storageclass/setdefault and
persistentvolume/resize.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.attributes import CLAIMS, STORAGE_CLASSES, is_main, newest, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.registry.core.persistentvolume import class_of
from apiserver.registry.storage.storageclass import is_default
from apiserver.registry.validation.persistent_volume_claim import CLASS_ANNOTATION
from wherry.api import quantity


class DefaultStorageClass(Plugin):
    """A claim that names no class gets the newest one marked as default."""

    name = "DefaultStorageClass"
    about = frozenset({CLAIMS})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        tree = attributes.tree
        if tree is None or not is_main(attributes, CLAIMS, "CREATE"):
            return
        named = CLASS_ANNOTATION in tree["metadata"].get("annotations", {})
        if named or tree["spec"].get("storageClassName") is not None:
            return
        found = newest(one for one in lister.list(STORAGE_CLASSES) if is_default(one))
        if found is not None:
            tree["spec"]["storageClassName"] = found["metadata"]["name"]


class PersistentVolumeClaimResize(Plugin):
    """Only bound claims of a class that allows it may grow."""

    name = "PersistentVolumeClaimResize"
    about = frozenset({CLAIMS})

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        tree, old = attributes.tree, attributes.old
        if tree is None or old is None or not is_main(attributes, CLAIMS, "UPDATE"):
            return
        if _size(tree) <= _size(old):
            return
        if old["status"].get("phase") != "Bound":
            raise refuse(attributes, "Only bound persistent volume claims can be expanded")
        if not self._allowed(tree, old, lister):
            why = (
                "only dynamically provisioned pvc can be resized and the storageclass that "
                "provisions the pvc must support resize"
            )
            raise refuse(attributes, why)

    def _allowed(self, tree: Mapping[str, Any], old: Mapping[str, Any], lister: Lister) -> bool:
        name = class_of(tree)
        if not name or name != class_of(old):
            return False
        found = lister.get(STORAGE_CLASSES, "", name)
        return found is not None and bool(found.get("allowVolumeExpansion"))


def _size(tree: Mapping[str, Any]) -> Any:
    return quantity.parse(tree["spec"]["resources"].get("requests", {}).get("storage", "0"))
