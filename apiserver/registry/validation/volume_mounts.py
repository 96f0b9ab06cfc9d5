"""Where containers see volumes.

Source: ValidateVolumeMounts, ValidateVolumeDevices of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.words import invalids
from wherry.api.errors import (
    FieldError,
    forbidden_field,
    invalid,
    not_found_field,
    not_supported,
    required,
)

Tree = Mapping[str, Any]

PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
RECURSIVE_READ_ONLY: Final = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(container: Tree, volumes: Mapping[str, Tree], path: str) -> list[FieldError]:
    """`volumeMounts` and `volumeDevices` of a container, against the pod's sound volumes."""
    devices = container.get("volumeDevices", ())
    device_names = {one["name"] for one in devices}
    device_paths = {one["devicePath"] for one in devices}
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts", ())):
        at = f"{path}.volumeMounts[{index}]"
        name, target = mount["name"], mount["mountPath"]
        if not name:
            errors.append(required(f"{at}.name"))
        if name not in volumes:
            errors.append(not_found_field(f"{at}.name", name))
        if not target:
            errors.append(required(f"{at}.mountPath"))
        if target in seen:
            errors.append(invalid(f"{at}.mountPath", target, "must be unique"))
        seen.add(target)
        if name in device_names:
            detail = "must not already exist in volumeDevices"
            errors.append(invalid(f"{at}.name", name, detail))
        if target in device_paths:
            detail = "must not already exist as a path in volumeDevices"
            errors.append(invalid(f"{at}.mountPath", target, detail))
        if len(mount) > 2:
            errors += _sub_paths(mount, at) + _propagation(mount, container, at)
    if devices:
        errors += _devices(container, volumes, path)
    return errors


def _sub_paths(mount: Tree, path: str) -> list[FieldError]:
    plain, expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
    errors = descending_path(plain, f"{path}.subPath") if plain else []
    if expression:
        at = f"{path}.subPathExpr"
        if plain:
            detail = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(at, expression, detail))
        errors += descending_path(expression, at)
    return errors


def descending_path(target: str, path: str) -> list[FieldError]:
    """A path that stays below where it starts."""
    problems = ["must be a relative path"] if target.startswith("/") else []
    if ".." in target.split("/"):
        problems.append("must not contain '..'")
    return invalids(path, target, problems)


def _propagation(mount: Tree, container: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    mode = mount.get("mountPropagation")
    if mode is not None:
        at = f"{path}.mountPropagation"
        if mode not in PROPAGATIONS:
            errors.append(not_supported(at, mode, PROPAGATIONS))
        elif mode == "Bidirectional" and not _is_privileged(container):
            detail = "Bidirectional mount propagation is available only to privileged containers"
            errors.append(forbidden_field(at, detail))
    recursive = mount.get("recursiveReadOnly")
    if recursive is None or recursive == "Disabled":
        return errors
    at = f"{path}.recursiveReadOnly"
    if recursive not in RECURSIVE_READ_ONLY:
        return [*errors, not_supported(at, recursive, RECURSIVE_READ_ONLY)]
    if not mount.get("readOnly"):
        errors.append(forbidden_field(at, "may only be specified when readOnly is true"))
    if mode not in (None, "None"):
        detail = "may only be specified when mountPropagation is None or not specified"
        errors.append(forbidden_field(at, detail))
    return errors


def _is_privileged(container: Tree) -> bool:
    return bool((container.get("securityContext") or {}).get("privileged"))


def _devices(container: Tree, volumes: Mapping[str, Tree], path: str) -> list[FieldError]:
    mounts = container.get("volumeMounts", ())
    mounted = {one["name"] for one in mounts}
    mount_paths = {one["mountPath"] for one in mounts}
    errors: list[FieldError] = []
    names_seen: set[str] = set()
    paths_seen: set[str] = set()
    for index, device in enumerate(container["volumeDevices"]):
        at = f"{path}.volumeDevices[{index}]"
        name, target = device["name"], device["devicePath"]
        if not name:
            errors.append(required(f"{at}.name"))
        if name in names_seen:
            errors.append(invalid(f"{at}.name", name, "must be unique"))
        volume = volumes.get(name)
        if volume is None:
            errors.append(not_found_field(f"{at}.name", name))
        elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(invalid(f"{at}.name", name, detail))
        if not target:
            errors.append(required(f"{at}.devicePath"))
        if target in paths_seen:
            errors.append(invalid(f"{at}.devicePath", target, "must be unique"))
        if ".." in target.split("/"):
            errors.append(invalid(f"{at}.devicePath", target, "can not contain backsteps ('..')"))
        if name in mounted:
            detail = "must not already exist in volumeMounts"
            errors.append(invalid(f"{at}.name", name, detail))
        if target in mount_paths:
            detail = "must not already exist as a path in volumeMounts"
            errors.append(invalid(f"{at}.devicePath", target, detail))
        names_seen.add(name)
        paths_seen.add(target)
    return errors
