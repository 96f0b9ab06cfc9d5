"""Security contexts of pods and containers.

Source: ValidateSecurityContext, validatePodSpecSecurityContext of pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.volume_mounts import descending_path
from wherry.api.errors import FieldError, duplicate, invalid, not_supported, required

Tree = Mapping[str, Any]

ID_MAX: Final = 2**31 - 1
_ID_WORDS: Final = f"must be between 0 and {ID_MAX}, inclusive"
SYSCTL_MAX: Final = 253
_SYSCTL_SEGMENT: Final = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL: Final = rf"({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}"
_SYSCTL_RE = re.compile(_SYSCTL)
_PROFILE_TYPES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_CHANGE_POLICIES: Final = ("Always", "OnRootMismatch")
_GROUP_POLICIES: Final = ("Merge", "Strict")
_PROC_MOUNTS: Final = ("Default", "Unmasked")


def _id(holder: Tree, field: str, path: str) -> list[FieldError]:
    value = holder.get(field)
    if value is None or 0 <= value <= ID_MAX:
        return []
    return [invalid(f"{path}.{field}", value, _ID_WORDS)]


def _profile(profile: Tree | None, path: str) -> list[FieldError]:
    """A seccomp or AppArmor profile."""
    if profile is None:
        return []
    kind, local = profile["type"], profile.get("localhostProfile")
    at = f"{path}.localhostProfile"
    if not kind:
        return [required(f"{path}.type")]
    if kind not in _PROFILE_TYPES:
        return [not_supported(f"{path}.type", kind, _PROFILE_TYPES)]
    if kind == "Localhost":
        if local is None:
            return [required(at, "must be set when seccomp type is Localhost")]
        return descending_path(local, at)
    if local is not None:
        return [invalid(at, local, "can only be set when seccomp type is Localhost")]
    return []


def validate_container_security(context: Tree | None, path: str) -> list[FieldError]:
    if not context:
        return []
    errors = _id(context, "runAsUser", path) + _id(context, "runAsGroup", path)
    mount = context.get("procMount")
    if mount is not None and mount not in _PROC_MOUNTS:
        errors.append(not_supported(f"{path}.procMount", mount, _PROC_MOUNTS))
    errors += _profile(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        refused = "cannot set `allowPrivilegeEscalation` to false and "
        if context.get("privileged"):
            errors.append(invalid(path, context, refused + "`privileged` to true"))
        if "CAP_SYS_ADMIN" in (context.get("capabilities") or {}).get("add", ()):
            errors.append(invalid(path, context, refused + "`capabilities.Add` CAP_SYS_ADMIN"))
    return errors + _profile(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def validate_pod_security(spec: Tree, path: str) -> list[FieldError]:
    """The pod's security context, and what it says beside the host's namespaces."""
    context = spec.get("securityContext")
    if not context:
        return _shared_processes(spec, path)
    at = f"{path}.securityContext"
    errors = _id(context, "fsGroup", at) + _id(context, "runAsUser", at)
    errors += _id(context, "runAsGroup", at)
    for index, group in enumerate(context.get("supplementalGroups", ())):
        if not 0 <= group <= ID_MAX:
            errors.append(invalid(f"{at}.supplementalGroups[{index}]", group, _ID_WORDS))
    errors += _shared_processes(spec, path) + _sysctls(context, spec, f"{at}.sysctls")
    for field, supported in (
        ("fsGroupChangePolicy", _CHANGE_POLICIES),
        ("supplementalGroupsPolicy", _GROUP_POLICIES),
    ):
        value = context.get(field)
        if value is not None and value not in supported:
            errors.append(not_supported(f"{at}.{field}", value, supported))
    errors += _profile(context.get("seccompProfile"), f"{at}.seccompProfile")
    return errors + _profile(context.get("appArmorProfile"), f"{at}.appArmorProfile")


def _shared_processes(spec: Tree, path: str) -> list[FieldError]:
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        return [invalid(f"{path}.shareProcessNamespace", True, detail)]
    return []


def _sysctls(context: Tree, spec: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, sysctl in enumerate(context.get("sysctls", ())):
        at, name = f"{path}[{index}].name", sysctl["name"]
        if not name:
            errors.append(required(at))
        elif len(name) > SYSCTL_MAX or not _SYSCTL_RE.fullmatch(name):
            words = f"must have at most {SYSCTL_MAX} characters and match regex {_SYSCTL}"
            errors.append(invalid(at, name, words))
        elif name in seen:
            errors.append(duplicate(at, name))
        if spec.get("hostNetwork") and name.startswith(("net.", "net/")):
            detail = "may not be specified when 'hostNetwork' is true"
            errors.append(invalid(at, name, detail))
        seen.add(name)
    return errors
