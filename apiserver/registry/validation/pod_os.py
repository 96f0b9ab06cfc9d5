"""What a pod made for Linux or for Windows may not ask for, and one with users of its own.

Source: validateLinux, validateWindows, validateHostUsers of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wherry.api.errors import FieldError, forbidden_field

Tree = Mapping[str, Any]

_WINDOWS: Final = "cannot be set for a windows pod"
_LINUX: Final = "windows options cannot be set for a linux pod"
_OWN_USERS: Final = "when `pod.Spec.HostUsers` is false"
# Of the pod's security context; those marked * stand in the pod spec itself on the wire.
_POD_FIELDS: Final = (
    "appArmorProfile", "seLinuxOptions", "*hostUsers", "*hostPID", "*hostIPC", "seccompProfile",
    "fsGroup", "fsGroupChangePolicy", "sysctls", "*shareProcessNamespace", "runAsUser", "runAsGroup",
    "supplementalGroups", "supplementalGroupsPolicy",
)  # fmt: skip
_CONTAINER_FIELDS: Final = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem",
    "privileged", "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
# The field of the pod, and how upstream's path names it.
_HOST_FIELDS: Final = (
    ("hostNetwork", "hostNetwork"),
    ("hostPID", "HostPID"),
    ("hostIPC", "HostIPC"),
)


def validate_os(spec: Tree, path: str) -> list[FieldError]:
    """What the operating system a pod names rules out."""
    name = (spec.get("os") or {}).get("name")
    if name == "windows":
        return _windows(spec, path)
    if name == "linux":
        return _linux(spec, path)
    return []


def validate_host_users(spec: Tree, path: str) -> list[FieldError]:
    """A pod with users of its own shares no other namespace with the node."""
    if spec.get("hostUsers") is not False:
        return []
    return [
        forbidden_field(f"{path}.{named}", _OWN_USERS)
        for field, named in _HOST_FIELDS
        if spec.get(field)
    ]


def _windows(spec: Tree, path: str) -> list[FieldError]:
    context = spec.get("securityContext") or {}
    errors: list[FieldError] = []
    for marked in _POD_FIELDS:
        field = marked.removeprefix("*")
        if (spec if field != marked else context).get(field) is not None:
            at = (
                field
                if field in ("hostUsers", "shareProcessNamespace")
                else f"securityContext.{field}"
            )
            errors.append(forbidden_field(f"{path}.{at}", _WINDOWS))
    return errors + _contexts(spec, path, _CONTAINER_FIELDS, _WINDOWS)


def _linux(spec: Tree, path: str) -> list[FieldError]:
    field, errors = "windowsOptions", []
    if (spec.get("securityContext") or {}).get(field) is not None:
        errors.append(forbidden_field(f"{path}.securityContext.{field}", _LINUX))
    return errors + _contexts(spec, path, (field,), _LINUX)


def _contexts(spec: Tree, path: str, fields: tuple[str, ...], words: str) -> list[FieldError]:
    return [
        forbidden_field(f"{path}.{kind}[{index}].securityContext.{field}", words)
        for kind in _CONTAINERS
        for index, container in enumerate(spec.get(kind) or ())
        for field in fields
        if (container.get("securityContext") or {}).get(field) is not None
    ]
