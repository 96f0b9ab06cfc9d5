"""RuntimeClass: a pod gets the overhead and the nodes of the runtime it chose.

Source: kubernetes/plugin/pkg/admission/runtimeclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.attributes import PODS, RUNTIME_CLASSES, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from wherry.api import quantity

Tree = dict[str, Any]
_DIFFERS = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
_UNDEFINED = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass(Plugin):
    name = "RuntimeClass"
    about = frozenset({PODS})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if not is_main(attributes, PODS, "CREATE") or attributes.tree is None:
            return
        spec: Tree = attributes.tree["spec"]
        chosen = self._chosen(attributes, spec, lister)
        if chosen is None:
            return
        if (overhead := chosen.get("overhead")) is not None:
            fixed = overhead.get("podFixed", {})
            if spec.get("overhead") and not _same(spec["overhead"], fixed):
                raise refuse(attributes, _DIFFERS)
            if fixed:
                spec["overhead"] = dict(fixed)
        if (scheduling := chosen.get("scheduling")) is not None:
            self._schedule(attributes, spec, scheduling)

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        """No overhead but the class's own."""
        if not is_main(attributes, PODS, "CREATE") or attributes.tree is None:
            return
        spec = attributes.tree["spec"]
        chosen = self._chosen(attributes, spec, lister) or {}
        overhead = chosen.get("overhead")
        if overhead is None:
            if spec.get("overhead"):
                raise refuse(attributes, _UNDEFINED)
        elif not _same(spec.get("overhead", {}), overhead.get("podFixed", {})):
            raise refuse(attributes, _DIFFERS)

    def _chosen(
        self, attributes: Attributes, spec: Mapping[str, Any], lister: Lister
    ) -> Mapping[str, Any] | None:
        name = spec.get("runtimeClassName")
        if name is None:
            return None
        found = lister.get(RUNTIME_CLASSES, "", name)
        if found is None:
            raise refuse(attributes, f'pod rejected: RuntimeClass "{name}" not found')
        return found

    def _schedule(self, attributes: Attributes, spec: Tree, scheduling: Mapping[str, Any]) -> None:
        """The pod's own wishes and the class's, together."""
        wanted: Mapping[str, str] = scheduling.get("nodeSelector", {})
        own: Mapping[str, str] = spec.get("nodeSelector", {})
        for key, value in wanted.items():
            if key in own and own[key] != value:
                why = (
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                    f"pod.spec.nodeSelector[{key}] = {own[key]}"
                )
                raise refuse(attributes, why)
        if wanted:
            spec["nodeSelector"] = {**own, **wanted}
        present = spec.get("tolerations", [])
        more = [dict(one) for one in scheduling.get("tolerations", ()) if one not in present]
        if more:
            spec["tolerations"] = [*present, *more]


def _same(left: Mapping[str, str], right: Mapping[str, str]) -> bool:
    return left.keys() == right.keys() and all(
        quantity.parse(left[name]) == quantity.parse(right[name]) for name in left
    )
