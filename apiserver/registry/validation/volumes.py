"""Volumes of pods.

Source: ValidateVolumes, validateVolumeSource of pkg/apis/core/validation. Of the old cloud volume
types only the required fields are checked: no node here can mount them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.env import VOLUME_FIELDS, field_reference, resource_reference
from apiserver.registry.validation.volume_mounts import descending_path
from apiserver.registry.validation.words import each, invalids
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid,
    not_supported,
    required,
)  # fmt: skip

Tree = Mapping[str, Any]
Check = Callable[[Tree, str], list[FieldError]]

_MODE_MAX: Final = 0o777
_MODE_WORDS: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES: Final = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate",
    "Socket",
)  # fmt: skip
TOKEN_SECONDS_MIN: Final = 600
TOKEN_SECONDS_MAX: Final = 1 << 32


def validate_volumes(
    volumes: Sequence[Tree], path: str
) -> tuple[dict[str, Tree], list[FieldError]]:
    """The sound volumes by name (mounts may refer to those only), and what is wrong with the rest."""
    sound: dict[str, Tree] = {}
    errors: list[FieldError] = []
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        found = _source(volume, at)
        name = volume["name"]
        if name:
            found += invalids(f"{at}.name", name, names.dns1123_label(name))
        else:
            found.append(required(f"{at}.name"))
        if name in sound:
            found.append(duplicate(f"{at}.name", name))
        if found:
            errors += found
        else:
            sound[name] = volume
    return sound, errors


def _source(volume: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    found = 0
    for kind, source in volume.items():
        if kind == "name":
            continue
        found += 1
        if found > 1:
            detail = "may not specify more than 1 volume type"
            errors.append(forbidden_field(f"{path}.{kind}", detail))
        elif check := _SOURCES.get(kind):
            errors += check(source, f"{path}.{kind}")
    return errors if found else [required(path, "must specify a volume type")]


def _need(*fields: str) -> Check:
    def check(source: Tree, path: str) -> list[FieldError]:
        return [required(f"{path}.{field}") for field in fields if not source.get(field)]

    return check


def _empty_dir(source: Tree, path: str) -> list[FieldError]:
    if str(source.get("sizeLimit", "")).startswith("-"):
        detail = "SizeLimit field must be a valid resource quantity"
        return [forbidden_field(f"{path}.sizeLimit", detail)]
    return []


def _host_path(source: Tree, path: str) -> list[FieldError]:
    target, kind = source["path"], source.get("type") or ""
    if not target:
        return [required(f"{path}.path")]
    errors: list[FieldError] = []
    if ".." in target.split("/"):
        errors.append(invalid(f"{path}.path", target, "must not contain '..'"))
    if kind not in _HOST_PATH_TYPES:
        errors.append(not_supported(f"{path}.type", kind, _HOST_PATH_TYPES))
    return errors


def _git_repo(source: Tree, path: str) -> list[FieldError]:
    errors = _need("repository")(source, path)
    return errors + descending_path(source.get("directory", ""), f"{path}.directory")


def _nfs(source: Tree, path: str) -> list[FieldError]:
    errors = _need("server", "path")(source, path)
    if not source["path"].startswith("/"):
        errors.append(invalid(f"{path}.path", source["path"], "must be an absolute path"))
    return errors


def _keyed(name_field: str) -> Check:
    def check(source: Tree, path: str) -> list[FieldError]:
        errors = _need(name_field)(source, path) + _mode(source, "defaultMode", path)
        return errors + each(source.get("items", ()), f"{path}.items", _key_to_path)

    return check


def _mode(source: Tree, field: str, path: str) -> list[FieldError]:
    mode = source.get(field)
    if mode is None or 0 <= mode <= _MODE_MAX:
        return []
    return [invalid(f"{path}.{field}", mode, _MODE_WORDS)]


def _key_to_path(item: Tree, path: str) -> list[FieldError]:
    errors = _need("key", "path")(item, path)
    return errors + _reserved_path(item["path"], f"{path}.path") + _mode(item, "mode", path)


def _reserved_path(target: str, path: str) -> list[FieldError]:
    """A path inside a volume that we write; names starting with `..` are ours."""
    errors = descending_path(target, path)
    if target.startswith("..") and not target.startswith("../") and target != "..":
        errors.append(invalid(path, target, "must not start with '..'"))
    return errors


def _downward(source: Tree, path: str) -> list[FieldError]:
    return _mode(source, "defaultMode", path) + each(
        source.get("items", ()), f"{path}.items", _downward_file
    )


def _downward_file(item: Tree, path: str) -> list[FieldError]:
    errors = _need("path")(item, path) + _reserved_path(item["path"], f"{path}.path")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        errors += field_reference(field, f"{path}.fieldRef", VOLUME_FIELDS)
        if resource is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", detail))
    elif resource is not None:
        errors += resource_reference(resource, f"{path}.resourceFieldRef", in_volume=True)
    else:
        detail = "one of fieldRef and resourceFieldRef is required"
        errors.append(required(path, detail))
    return errors + _mode(item, "mode", path)


def _projected(source: Tree, path: str) -> list[FieldError]:
    errors = _mode(source, "defaultMode", path)
    seen: set[str] = set()
    for index, one in enumerate(source.get("sources") or ()):
        errors += _projection(one, f"{path}.sources[{index}]", path, seen)
    return errors


def _projection(source: Tree, path: str, volume: str, seen: set[str]) -> list[FieldError]:
    """One source of a projected volume; `seen` collects the paths taken in the volume."""
    errors: list[FieldError] = []
    found = [kind for kind, value in source.items() if value is not None]
    for kind in found:
        at, value = f"{path}.{kind}", source[kind]
        if kind in ("secret", "configMap"):
            errors += _need("name")(value, at)
            errors += each(value.get("items", ()), f"{at}.items", _key_to_path)
        elif kind == "downwardAPI":
            errors += each(value.get("items", ()), f"{at}.items", _downward_file)
        elif kind == "serviceAccountToken":
            errors += _token(value, at)
        taken = [one["path"] for one in value.get("items", ())]
        taken += [value["path"]] if kind == "serviceAccountToken" else []
        for target in taken:
            if target and target in seen:
                named = value.get("name", target)
                errors.append(invalid(volume, named, "conflicting duplicate paths"))
            seen.add(target)
    if len(found) > 1:
        detail = "may not specify more than 1 volume type per source"
        errors.append(forbidden_field(path, detail))
    return errors


def _token(source: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seconds = source.get("expirationSeconds", TOKEN_SECONDS_MIN)
    at = f"{path}.expirationSeconds"
    if seconds < TOKEN_SECONDS_MIN:
        detail = "may not specify a duration less than 10 minutes"
        errors.append(invalid(at, seconds, detail))
    if seconds > TOKEN_SECONDS_MAX:
        detail = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(at, seconds, detail))
    if not source["path"]:
        return [*errors, required(f"{path}.path")]
    return errors + _reserved_path(source["path"], f"{path}.path")


def _image(source: Tree, path: str) -> list[FieldError]:
    errors = _need("reference")(source, path)
    policy = source.get("pullPolicy", "")
    supported = ("Always", "IfNotPresent", "Never")
    if policy not in supported:
        errors.append(not_supported(f"{path}.pullPolicy", policy, supported))
    return errors


def _ephemeral(source: Tree, path: str) -> list[FieldError]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(f"{path}.volumeClaimTemplate")]
    spec, at = template["spec"], f"{path}.volumeClaimTemplate.spec"
    errors: list[FieldError] = []
    if not spec.get("accessModes"):
        errors.append(required(f"{at}.accessModes", "at least 1 access mode is required"))
    if "storage" not in spec["resources"].get("requests", {}):
        errors.append(required(f"{at}.resources[storage]"))
    return errors


_SOURCES: Final[Mapping[str, Check]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gitRepo": _git_repo,
    "nfs": _nfs,
    "configMap": _keyed("name"),
    "secret": _keyed("secretName"),
    "downwardAPI": _downward,
    "projected": _projected,
    "persistentVolumeClaim": _need("claimName"),
    "image": _image,
    "ephemeral": _ephemeral,
    "csi": _need("driver"),
    "gcePersistentDisk": _need("pdName"),
    "awsElasticBlockStore": _need("volumeID"),
    "cinder": _need("volumeID"),
    "cephfs": _need("monitors"),
    "rbd": _need("monitors", "image"),
    "flexVolume": _need("driver"),
    "azureFile": _need("secretName", "shareName"),
    "azureDisk": _need("diskName", "diskURI"),
    "vsphereVolume": _need("volumePath"),
    "portworxVolume": _need("volumeID"),
    "photonPersistentDisk": _need("pdID"),
    "quobyte": _need("registry", "volume"),
    "scaleIO": _need("gateway", "system", "volumeName"),
    "glusterfs": _need("endpoints", "path"),
    "iscsi": _need("targetPortal", "iqn"),
}

# Where the data of a PersistentVolume may be, in upstream's order; what is like in pods.
PERSISTENT_SOURCES: Final[Mapping[str, Check]] = {
    kind: _SOURCES.get(kind, _need())
    for kind in (
        "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs",
        "rbd", "quobyte", "cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile",
        "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO",
        "storageos",
    )
}  # fmt: skip
