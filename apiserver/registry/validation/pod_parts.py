"""What may change in a pod through its subresources `ephemeralcontainers` and `resize`.

Source: ValidatePodEphemeralContainersUpdate, ValidatePodResize of pkg/apis/core/validation. Upstream
appends a printed difference of Go structs to one refusal; ours names the fields. Resources of a pod
as a whole are not resized: no kubelet of ours carries that out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.core.pod_qos import qos_class
from apiserver.registry.validation.pod import validate_pod_and_spec
from wherry.api.errors import FieldError, forbidden_field, go_quote, invalid

Tree = Mapping[str, Any]

MIRROR: Final = "kubernetes.io/config.mirror"
_RESIZABLE: Final = ("cpu", "memory")


def validate_ephemeral_containers_update(tree: Tree, old: Tree) -> list[FieldError]:
    """Ephemeral containers may only be added."""
    errors = validate_pod_and_spec(tree)
    if MIRROR in old["metadata"].get("annotations", {}):
        return [forbidden_field("", "static pods do not support ephemeral containers")]
    path = "spec.ephemeralContainers"
    found = {one["name"]: one for one in tree["spec"].get("ephemeralContainers", ())}
    for before in old["spec"].get("ephemeralContainers", ()):
        name = before["name"]
        words = f"existing ephemeral containers {go_quote(name)} may not be"
        new = found.get(name)
        if new is None:
            errors.append(forbidden_field(path, f"{words} removed\n"))
        elif new != before:
            fields = sorted({*new, *before})
            changed = ", ".join(one for one in fields if new.get(one) != before.get(one))
            errors.append(forbidden_field(path, f"{words} changed\n  changed: {changed}"))
    return errors


def validate_resize(tree: Tree, old: Tree) -> list[FieldError]:
    """Only cpu and memory of containers that last may change, and not be taken away."""
    errors = validate_pod_and_spec(tree)
    spec, before = tree["spec"], old["spec"]
    if refusal := _never_resized(tree, old):
        return [forbidden_field("", refusal)]
    if different := _other_containers(spec, before):
        return errors + different
    qos = old["status"].get("qosClass") or qos_class(before)
    if qos_class(spec) != qos:
        detail = "Pod QOS Class may not change as a result of resizing"
        errors.append(invalid("spec", qos, detail))
    if not _node_resizes(old["status"]):
        errors.append(forbidden_field("spec", "Pod running on node without support for resize"))
    for field in ("initContainers", "containers"):
        for index, container in enumerate(before.get(field) or ()):
            if field == "containers" or _is_sidecar(container):
                path = f"spec.{field}[{index}].resources"
                errors += _removed(spec[field][index], container, path)
    return errors + _other_changes(spec, before)


def _never_resized(tree: Tree, old: Tree) -> str:
    """Why pods of this sort are not resized at all."""
    for pod in (old, tree):
        resources = pod["spec"].get("resources") or {}
        if resources.get("requests") or resources.get("limits"):
            return "pods with pod-level resources cannot be resized"
    if MIRROR in old["metadata"].get("annotations", {}):
        return "static pods cannot be resized"
    if (old["spec"].get("os") or {}).get("name") == "windows":
        return "windows pods cannot be resized"
    return ""


def _other_containers(spec: Tree, before: Tree) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("containers", "initContainers"):
        names = [one["name"] for one in spec.get(field) or ()]
        others = [one["name"] for one in before.get(field) or ()]
        if len(names) != len(others):
            detail = f"{field} may not be added or removed on resize"
            errors.append(forbidden_field("spec", detail))
        elif names != others:
            detail = f"{field} may not be renamed or reordered on resize"
            errors.append(forbidden_field("spec", detail))
    return errors


def _node_resizes(status: Tree) -> bool:
    """A kubelet that can resize says what running containers have."""
    for one in status.get("containerStatuses", ()):
        if one.get("state", {}).get("running") is not None:
            return one.get("resources") is not None
    return True


def _removed(container: Tree, before: Tree, path: str) -> list[FieldError]:
    new, old = container["resources"], before["resources"]
    return [
        forbidden_field(f"{path}.{field}", f"resource {field} cannot be removed")
        for field in ("requests", "limits")
        if old.get(field, {}).keys() - new.get(field, {}).keys()
    ]


def _other_changes(spec: Tree, before: Tree) -> list[FieldError]:
    """Changes of anything but cpu and memory."""
    errors: list[FieldError] = []
    for new, old in zip(spec["containers"], before["containers"], strict=True):
        if _fixed(new) != _fixed(old):
            detail = "only cpu and memory resources are mutable"
            errors.append(forbidden_field("spec", detail))
    sidecars = spec.get("initContainers") or ()
    for new, old in zip(sidecars, before.get("initContainers") or (), strict=True):
        if _is_sidecar(old):
            if _fixed(new) != _fixed(old):
                detail = "only cpu and memory resources for sidecar containers are mutable"
                errors.append(forbidden_field("spec", detail))
        elif new != old:
            detail = "resources for non-sidecar init containers are immutable"
            errors.append(forbidden_field("spec", detail))
    return errors


def _fixed(container: Tree) -> dict[str, Any]:
    """A container without what a resize may change."""
    resources = {
        field: {
            name: amount
            for name, amount in container["resources"].get(field, {}).items()
            if name not in _RESIZABLE
        }
        for field in ("limits", "requests")
    }
    claims = container["resources"].get("claims", ())
    return {**container, "resources": (resources, list(claims))}


def _is_sidecar(container: Tree) -> bool:
    return container.get("restartPolicy") == "Always"
