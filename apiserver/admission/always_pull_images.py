"""AlwaysPullImages: an image is pulled anew for each pod, so that only who may pull it can run it.

Off by default. Source: plugin/pkg/admission/alwayspullimages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from apiserver.admission.attributes import PODS, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from wherry.api.errors import not_supported

ALWAYS: Final = "Always"
_FIELDS: Final = ("initContainers", "containers", "ephemeralContainers")

Tree = dict[str, Any]


class AlwaysPullImages(Plugin):
    name = "AlwaysPullImages"
    about = frozenset({PODS})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if self._speaks(attributes) and attributes.tree is not None:
            for _, owner, field in _policies(attributes.tree["spec"]):
                owner[field] = ALWAYS

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        """Nobody after us has changed it."""
        if not self._speaks(attributes) or attributes.tree is None:
            return
        for path, owner, field in _policies(attributes.tree["spec"]):
            if owner.get(field) != ALWAYS:
                error = not_supported(f"{path}.{field}", owner.get(field, ""), [ALWAYS])
                raise refuse(attributes, str(error))

    def _speaks(self, attributes: Attributes) -> bool:
        """An update is left alone unless it brings another image."""
        if is_main(attributes, PODS, "CREATE"):
            return True
        if not is_main(attributes, PODS, "UPDATE"):
            return False
        new, old = attributes.tree or {}, attributes.old or {}
        return not images(new["spec"]) <= images(old["spec"])


def images(spec: Mapping[str, Any]) -> set[str]:
    return {one.get("image", "") for field in _FIELDS for one in spec.get(field) or ()}


def _policies(spec: Tree) -> Iterator[tuple[str, Tree, str]]:
    """Path, owner and field of every pull policy."""
    for field in _FIELDS:
        for index, container in enumerate(spec.get(field) or ()):
            yield f"spec.{field}[{index}]", container, "imagePullPolicy"
    for index, volume in enumerate(spec.get("volumes") or ()):
        if volume.get("image") is not None:
            yield f"spec.volumes[{index}].image", volume["image"], "pullPolicy"
