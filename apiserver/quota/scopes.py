"""Which objects a quota's scopes let in. Pure.

Source: k8s.io/apiserver/pkg/quota/v1/generic (Matches), pkg/quota/v1/evaluator/core (podMatchesScopeFunc,
pvcMatchesScopeFunc).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from apiserver.admission.attributes import CLAIMS, PODS
from apiserver.registry.core.pod_qos import BEST_EFFORT, qos_class
from wherry.api.scheme import Resource

Tree = Mapping[str, Any]
REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def lets_in(quota_spec: Tree, resource: Resource, tree: Tree) -> bool:
    """Whether an object is the quota's business; without scopes, all are."""
    return all(_matches(one, resource, tree) for one in _requirements(quota_spec))


def _requirements(spec: Tree) -> Iterator[Tree]:
    for scope in spec.get("scopes", ()):
        yield {"scopeName": scope, "operator": "Exists"}
    yield from (spec.get("scopeSelector") or {}).get("matchExpressions", ())


def _matches(requirement: Tree, resource: Resource, tree: Tree) -> bool:
    scope, spec = requirement["scopeName"], tree.get("spec") or {}
    if resource is CLAIMS and scope == "VolumeAttributesClass":
        return _is_one_of(requirement, spec.get("volumeAttributesClassName") or "")
    if resource is not PODS:
        return False
    match scope:
        case "Terminating":
            return _ends(spec)
        case "NotTerminating":
            return not _ends(spec)
        case "BestEffort":
            return qos_class(spec) == BEST_EFFORT
        case "NotBestEffort":
            return qos_class(spec) != BEST_EFFORT
        case "PriorityClass":
            return _is_one_of(requirement, spec.get("priorityClassName", ""))
        case "CrossNamespacePodAffinity":
            return _reaches_out(spec.get("affinity") or {})
    return False


def _ends(spec: Tree) -> bool:
    deadline = spec.get("activeDeadlineSeconds")
    return deadline is not None and deadline >= 0


def _is_one_of(requirement: Tree, value: str) -> bool:
    values = requirement.get("values", ())
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return bool(value)
        case "DoesNotExist":
            return not value
    return False


def _reaches_out(affinity: Tree) -> bool:
    """Whether a term looks at pods of other namespaces."""
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        found = [*terms.get(REQUIRED, ())]
        found += [one["podAffinityTerm"] for one in terms.get(PREFERRED, ())]
        if any(one.get("namespaces") or one.get("namespaceSelector") is not None for one in found):
            return True
    return False
