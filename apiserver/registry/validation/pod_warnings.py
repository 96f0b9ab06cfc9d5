"""What is accepted in pods but probably not meant.

Source: pkg/api/pod/warnings.go. Warnings about volume types that no node here can mount are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from apiserver.codec.recall import passing
from apiserver.registry.validation.affinity import PREFERRED, REQUIRED

Tree = Mapping[str, Any]

_DEPRECATED_LABELS: Final[Mapping[str, str]] = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": (
        'deprecated since v1.17; use "topology.kubernetes.io/region" instead'
    ),
    "failure-domain.beta.kubernetes.io/zone": (
        'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
    ),
    "beta.kubernetes.io/instance-type": (
        'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'
    ),
}
_NO_SELECTOR: Final = "a null labelSelector results in matching no pod"


def pod_warnings(tree: Tree, old: Tree | None) -> list[str]:
    """Warnings about a pod; none when its spec did not change."""
    if old is not None and old["spec"] == tree["spec"]:
        return []
    return _pod_spec_warnings(tree["spec"])


@passing
def _pod_spec_warnings(spec: Tree) -> list[str]:
    return _spec_warnings(spec, "spec")


def template_warnings(tree: Tree, old: Tree | None) -> list[str]:
    """Warnings about a workload's template."""
    before = None if old is None else old["spec"]["template"]
    return changed_template_warnings(tree["spec"]["template"], before, "spec.template")


def changed_template_warnings(template: Tree, old: Tree | None, path: str) -> list[str]:
    """Warnings about a template wherever it stands; none when it did not change."""
    return [] if old == template else _spec_warnings(template["spec"], f"{path}.spec")


def _spec_warnings(spec: Tree, path: str) -> list[str]:
    found = [
        f"{path}.nodeSelector[{key}]: {_DEPRECATED_LABELS[key]}"
        for key in spec.get("nodeSelector", ())
        if key in _DEPRECATED_LABELS
    ]
    if affinity := spec.get("affinity"):
        found += _node_affinity(affinity.get("nodeAffinity") or {}, f"{path}.affinity.nodeAffinity")
    for index, one in enumerate(spec.get("topologySpreadConstraints", ())):
        at, key = f"{path}.topologySpreadConstraints[{index}]", one["topologyKey"]
        if key in _DEPRECATED_LABELS:
            found.append(f"{at}.topologyKey: {key} is {_DEPRECATED_LABELS[key]}")
        if one.get("labelSelector") is None:
            found.append(f"{at}.labelSelector: {_NO_SELECTOR}")
    found += _twice(spec.get("hostAliases", ()), "ip", f"{path}.hostAliases")
    secrets = spec.get("imagePullSecrets", ())
    found += [
        f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
        for index, secret in enumerate(secrets)
        if not secret.get("name")
    ]
    found += _twice(secrets, "name", f"{path}.imagePullSecrets")
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        words = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{path}.terminationGracePeriodSeconds: {words}")
    for container, at in _containers(spec, path):
        found += _container_warnings(container, at)
    found += _port_warnings(spec, path)
    if affinity := spec.get("affinity"):
        found += _pod_affinity(affinity, f"{path}.affinity")
    return found


def _containers(spec: Tree, path: str) -> Iterator[tuple[Tree, str]]:
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or ()):
            yield container, f"{path}.{field}[{index}]"


def _twice(items: Sequence[Tree], field: str, path: str) -> list[str]:
    """Items that say the same in a field that should tell them apart."""
    found: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(field, "")
        if value and value in seen:
            found.append(f'{path}[{index}].{field}: duplicate {field} "{value}"')
        seen.add(value)
    return found


def _node_affinity(affinity: Tree, path: str) -> list[str]:
    terms = [
        (term, f"{path}.{REQUIRED}.nodeSelectorTerms[{index}]")
        for index, term in enumerate((affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or ())
    ]
    terms += [
        (one["preference"], f"{path}.{PREFERRED}[{index}].preference")
        for index, one in enumerate(affinity.get(PREFERRED, ()))
    ]
    return [
        f"{at}.matchExpressions[{index}].key: {one['key']} is {_DEPRECATED_LABELS[one['key']]}"
        for term, at in terms
        for index, one in enumerate(term.get("matchExpressions", ()))
        if one["key"] in _DEPRECATED_LABELS
    ]


def _pod_affinity(affinity: Tree, path: str) -> list[str]:
    """Terms that select nothing for want of a selector."""
    found: list[str] = []
    for field in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(field) or {}
        found += [
            f"{path}.{field}.{REQUIRED}[{index}].labelSelector: {_NO_SELECTOR}"
            for index, term in enumerate(terms.get(REQUIRED, ()))
            if term.get("labelSelector") is None
        ]
        found += [
            f"{path}.{field}.{PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NO_SELECTOR}"
            for index, one in enumerate(terms.get(PREFERRED, ()))
            if one["podAffinityTerm"].get("labelSelector") is None
        ]
    return found


def _container_warnings(container: Tree, path: str) -> list[str]:
    found: list[str] = []
    for field in ("limits", "requests"):
        amounts = container["resources"].get(field, {})
        found += [
            f'{path}.resources.{field}[{name}]: fractional byte value "{amounts[name]}" is invalid, '
            "must be an integer"
            for name in ("memory", "ephemeral-storage")
            if amounts.get(name, "").endswith("m")
        ]
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env", ())):
        name = variable["name"]
        if name in seen:
            words = f'hides previous definition of "{name}", which may be dropped when using apply'
            found.append(f"{path}.env[{index}]: {words}")
        seen.add(name)
    return found


def _port_warnings(spec: Tree, path: str) -> list[str]:
    """Ports that two entries of a pod claim."""
    found: list[str] = []
    known: dict[tuple[int, str], list[tuple[Tree, str]]] = {}
    for container, at in _containers(spec, path):
        for index, port in enumerate(container.get("ports", ())):
            here = f"{at}.ports[{index}]"
            others = known.setdefault((port["containerPort"], port.get("protocol", "")), [])
            for other, there in others:
                if clash := _clash(port, other):
                    found.append(f"{here}: {clash} port definition with {there}")
            others.append((port, here))
    return found


def _clash(port: Tree, other: Tree) -> str:
    """How two entries with the same port and protocol get into each other's way; "" if not at all."""
    host, its_host = port.get("hostPort", 0), other.get("hostPort", 0)
    address, its_address = port.get("hostIP", ""), other.get("hostIP", "")
    if (host, address) == (its_host, its_address):
        return "duplicate"
    if not host or not its_host:
        return "overlapping"
    if host == its_host and bool(address) != bool(its_address):
        return "dangerously ambiguous"
    return ""
