"""ExtendedResourceToleration: a pod that asks for a device bears the taint that keeps others off it.

Source: plugin/pkg/admission/extendedresourcetoleration.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission.attributes import PODS, is_main
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.registry.validation.quota_names import is_extended


class ExtendedResourceToleration(Plugin):
    name = "ExtendedResourceToleration"
    about = frozenset({PODS})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.tree is None or not is_main(attributes, PODS, "CREATE", "UPDATE"):
            return
        spec: dict[str, Any] = attributes.tree["spec"]
        wanted = {
            name
            for field in ("containers", "initContainers")
            for container in spec.get(field) or ()
            for name in (container.get("resources") or {}).get("requests") or ()
            if is_extended(name)
        }
        present = spec.get("tolerations") or []
        borne = {
            one.get("key")
            for one in present
            if (one.get("operator"), one.get("effect")) == ("Exists", "NoSchedule")
        }
        more = [
            {"key": name, "operator": "Exists", "effect": "NoSchedule"}
            for name in sorted(wanted - borne)
        ]
        if more:
            spec["tolerations"] = [*present, *more]
