"""What one object uses, by the names that quotas bound. Pure.

Source: pkg/quota/v1/evaluator/core/{pods,services,persistent_volume_claims}.go and
k8s.io/apiserver/pkg/quota/v1/generic/evaluator.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from apiserver.admission.attributes import CLAIMS, PODS, SERVICES
from apiserver.quota.pod_resources import Amounts, pod_amounts
from apiserver.registry.validation.quota_names import HUGE_PAGES, REQUESTS, is_extended
from wherry.api.scheme import RESOURCES, Resource

Tree = Mapping[str, Any]

COUNT: Final = "count/"
STORAGE_CLASS: Final = ".storageclass.storage.k8s.io/"
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
# Core kinds that quotas count under their bare names too.
_BARE: Final = frozenset(
    {
        "pods", "services", "replicationcontrollers", "secrets", "configmaps",
        "persistentvolumeclaims", "resourcequotas",
    }
)  # fmt: skip
_ENDED: Final = ("Succeeded", "Failed")
_IGNORED: Final = frozenset({"events"})
COUNTED: Final[Mapping[str, Resource]] = {
    f"{COUNT}{one.qualified_name}": one
    for one in RESOURCES
    if one.stored and one.namespaced and one.plural not in _IGNORED
}
_COUNT_NAMES: Final[Mapping[Resource, str]] = {one: name for name, one in COUNTED.items()}


def is_counted(resource: Resource) -> bool:
    """Whether any quota may bound the kind."""
    return resource in _COUNT_NAMES


def has_amounts(resource: Resource) -> bool:
    """Whether a change of an object, not only its making, may use more."""
    return resource in (PODS, SERVICES, CLAIMS)


def usage_of(resource: Resource, tree: Tree) -> Amounts:
    """All that an object counts for."""
    found: Amounts = {_COUNT_NAMES[resource]: "1"}
    if resource is PODS:
        return found if is_over(tree) else found | _pod(tree["spec"])
    if not resource.group and resource.plural in _BARE:
        found[resource.plural] = "1"
    if resource is SERVICES:
        found |= _service(tree["spec"])
    if resource is CLAIMS:
        found |= _claim(tree)
    return found


def is_over(pod: Tree) -> bool:
    """Pods that have ended use nothing but their place in `count/pods`."""
    return (pod.get("status") or {}).get("phase") in _ENDED


def _pod(spec: Tree) -> Amounts:
    return {"pods": "1"} | compute(pod_amounts(spec, "requests"), pod_amounts(spec, "limits"))


def compute(requests: Mapping[str, str], limits: Mapping[str, str]) -> Amounts:
    """The bounded names of what a pod or a container requests and is limited to."""
    found: Amounts = {}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith(HUGE_PAGES):
            found[name] = found[f"{REQUESTS}{name}"] = amount
        elif is_extended(name):
            found[f"{REQUESTS}{name}"] = amount
    for name in _COMPUTE:
        if name in limits:
            found[f"limits.{name}"] = limits[name]
    return found


def _service(spec: Tree) -> Amounts:
    kind, ports = spec.get("type", ""), spec.get("ports", ())
    nodes, balancers = 0, 0
    if kind == "NodePort":
        nodes = len(ports)
    elif kind == "LoadBalancer":
        balancers, nodes = 1, len(ports)
        if spec.get("allocateLoadBalancerNodePorts") is False:
            nodes = sum(bool(port.get("nodePort")) for port in ports)
    return {"services.nodeports": str(nodes), "services.loadbalancers": str(balancers)}


def _claim(tree: Tree) -> Amounts:
    spec = tree["spec"]
    found: Amounts = {}
    size = spec["resources"].get("requests", {}).get("storage")
    annotations = tree["metadata"].get("annotations", {})
    name = annotations.get(CLASS_ANNOTATION) or spec.get("storageClassName") or ""
    if name:
        found[f"{name}{STORAGE_CLASS}persistentvolumeclaims"] = "1"
    if size is not None:
        found["requests.storage"] = size
        if name:
            found[f"{name}{STORAGE_CLASS}requests.storage"] = size
    return found


def kinds_of(names: Iterable[str]) -> set[Resource]:
    """The kinds whose objects may use something of these names."""
    found: set[Resource] = set()
    for name in names:
        if name.startswith(COUNT):
            if name in COUNTED:
                found.add(COUNTED[name])
        elif STORAGE_CLASS in name or name == "requests.storage":
            found.add(CLAIMS)
        elif name.startswith("services"):
            found.add(SERVICES)
        elif name in _BARE:
            found.add(COUNTED[f"{COUNT}{name}"])
        else:
            found.add(PODS)
    return found
