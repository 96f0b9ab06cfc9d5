"""Priority: a pod's priority number comes from its PriorityClass, and from nowhere else.

Source: kubernetes/plugin/pkg/admission/priority.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from apiserver.admission.attributes import PODS, PRIORITY_CLASSES, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin

PREEMPT_LOWER = "PreemptLowerPriority"


class Class(NamedTuple):
    name: str = ""
    value: int = 0
    preemption: str = PREEMPT_LOWER


class Priority(Plugin):
    name = "Priority"
    about = frozenset({PODS, PRIORITY_CLASSES})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        tree = attributes.tree
        if tree is None or not is_main(attributes, PODS, "CREATE", "UPDATE"):
            return
        spec: dict[str, Any] = tree["spec"]
        if attributes.operation == "UPDATE":
            _keep(spec, (attributes.old or {}).get("spec", {}))
            return
        chosen = self._class_of(attributes, spec, lister)
        if chosen.name:
            spec["priorityClassName"] = chosen.name
        self._fill(attributes, spec, chosen)

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        """At most one class is the global default."""
        tree = attributes.tree
        if tree is None or not is_main(attributes, PRIORITY_CLASSES, "CREATE", "UPDATE"):
            return
        if not tree.get("globalDefault"):
            return
        default = _global_default(lister)
        if default is None:
            return
        if attributes.operation == "UPDATE" and default.name == tree["metadata"]["name"]:
            return
        why = (
            f"PriorityClass {default.name} is already marked as default. Only one default can exist"
        )
        raise refuse(attributes, why)

    def _class_of(self, attributes: Attributes, spec: Mapping[str, Any], lister: Lister) -> Class:
        name = spec.get("priorityClassName", "")
        if not name:
            return _global_default(lister) or Class()
        found = lister.get(PRIORITY_CLASSES, "", name)
        if found is None:
            raise refuse(attributes, f"no PriorityClass with name {name} was found")
        return _class(found)

    def _fill(self, attributes: Attributes, spec: dict[str, Any], chosen: Class) -> None:
        given = spec.get("priority")
        if given is not None and given != chosen.value:
            why = (
                f"the integer value of priority ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {chosen.value} "
                "from the given PriorityClass name"
            )
            raise refuse(attributes, why)
        spec["priority"] = chosen.value
        policy = spec.get("preemptionPolicy")
        if policy is not None and policy != chosen.preemption:
            why = (
                f"the string value of PreemptionPolicy ({policy}) must not be provided in pod spec; "
                f"priority admission controller computed {chosen.preemption} "
                "from the given PriorityClass name"
            )
            raise refuse(attributes, why)
        spec["preemptionPolicy"] = chosen.preemption


def _keep(spec: dict[str, Any], old: Mapping[str, Any]) -> None:
    for field in ("priority", "preemptionPolicy"):
        if spec.get(field) is None and old.get(field) is not None:
            spec[field] = old[field]


def _class(tree: Mapping[str, Any]) -> Class:
    value, policy = tree.get("value", 0), tree.get("preemptionPolicy", PREEMPT_LOWER)
    return Class(tree["metadata"]["name"], value, policy)


def _global_default(lister: Lister) -> Class | None:
    """The class of pods that name none: of several defaults the lowest."""
    found = [_class(one) for one in lister.list(PRIORITY_CLASSES) if one.get("globalDefault")]
    return min(found, key=lambda one: one.value, default=None)
