"""What is accepted in pods but probably not meant.

Source: pkg/api/pod/warnings.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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


def pod_warnings(tree: Tree, old: Tree | None) -> list[str]:
    """Warnings about a pod; none when its spec did not change."""
    if old is not None and old["spec"] == tree["spec"]:
        return []
    return _spec_warnings(tree["spec"], "spec")


def template_warnings(tree: Tree, old: Tree | None) -> list[str]:
    """Warnings about a workload's template."""
    template = tree["spec"]["template"]
    if old is not None and old["spec"]["template"] == template:
        return []
    return _spec_warnings(template["spec"], "spec.template.spec")


def _spec_warnings(spec: Tree, path: str) -> list[str]:
    found = [
        f"{path}.nodeSelector[{key}]: {_DEPRECATED_LABELS[key]}"
        for key in spec.get("nodeSelector", ())
        if key in _DEPRECATED_LABELS
    ]
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        words = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{path}.terminationGracePeriodSeconds: {words}")
    found += [
        f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
        for index, secret in enumerate(spec.get("imagePullSecrets", ()))
        if not secret.get("name")
    ]
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or ()):
            found += _container_warnings(container, f"{path}.{field}[{index}]")
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
