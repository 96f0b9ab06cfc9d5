"""Environment variables and the downward API's references.

Source: ValidateEnv, validateObjectFieldSelector of pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.words import each, invalids
from wherry.api import names, quantity
from wherry.api.errors import FieldError, invalid, not_supported, required

Tree = Mapping[str, Any]

ENV_FIELDS: Final = frozenset(
    {
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
        "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP",
        "status.podIPs",
    }
)  # fmt: skip
VOLUME_FIELDS: Final = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.labels",
        "metadata.annotations",
        "metadata.uid",
    }
)
_KNOWN_FIELDS: Final = (
    ENV_FIELDS
    | VOLUME_FIELDS
    | {"spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"}
)
RESOURCES: Final = tuple(
    f"{kind}.{name}"
    for kind in ("limits", "requests")
    for name in ("cpu", "ephemeral-storage", "memory")
)
_HUGE_PAGES: Final = ("limits.hugepages-", "requests.hugepages-")
_SIZES: Final = (
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
)  # fmt: skip
_SUBSCRIPTED = re.compile(r"(?P<path>[^\[\]]+)\['(?P<key>.*)'\]")
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def validate_env(container: Tree, path: str) -> list[FieldError]:
    """`env` and `envFrom` of a container."""
    errors = each(container.get("env", ()), f"{path}.env", _variable)
    for index, source in enumerate(container.get("envFrom", ())):
        errors += _env_from(source, f"{path}.envFrom", index)
    return errors


def _variable(variable: Tree, path: str) -> list[FieldError]:
    name = variable["name"]
    errors = (
        invalids(f"{path}.name", name, names.env_name(name)) if name else [required(f"{path}.name")]
    )
    source = variable.get("valueFrom")
    if source is not None:
        errors += _value_from(source, f"{path}.valueFrom", has_value=bool(variable.get("value")))
    return errors


def _value_from(source: Tree, path: str, *, has_value: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    found = [kind for kind in _SOURCES if source.get(kind) is not None]
    for kind in found:
        reference, at = source[kind], f"{path}.{kind}"
        if kind == "fieldRef":
            errors += field_reference(reference, at, ENV_FIELDS)
        elif kind == "resourceFieldRef":
            errors += resource_reference(reference, at, in_volume=False)
        elif kind == "fileKeyRef":
            errors += [required(f"{at}.{one}") for one in ("key", "path") if not reference.get(one)]
        else:
            errors += _key_selector(reference, at)
    if not found:
        detail = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
            "`secretKeyRef` or `fileKeyRef`"
        )
        errors.append(invalid(path, "", detail))
    if has_value and found:
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(found) > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def _key_selector(selector: Tree, path: str) -> list[FieldError]:
    name, key = selector.get("name", ""), selector["key"]
    errors = invalids(f"{path}.name", name, names.dns1123_subdomain(name))
    if not key:
        return [*errors, required(f"{path}.key")]
    return errors + invalids(f"{path}.key", key, names.config_key(key))


def field_reference(reference: Tree, path: str, allowed: frozenset[str]) -> list[FieldError]:
    """A field of the pod itself, as `metadata.labels['app']`."""
    version, field = reference.get("apiVersion", ""), reference["fieldPath"]
    if not version:
        return [required(f"{path}.apiVersion")]
    if not field:
        return [required(f"{path}.fieldPath")]
    match = _SUBSCRIPTED.fullmatch(field)
    if version != "v1":
        problem = f"unsupported pod version: {version}"
    elif not match and field not in _KNOWN_FIELDS:
        problem = f"field label not supported: {field}"
    elif match and match["path"] not in ("metadata.annotations", "metadata.labels"):
        problem = f"field label does not support subscript: {field}"
    else:
        problem = ""
    if problem:
        return [invalid(f"{path}.fieldPath", field, f"error converting fieldPath: {problem}")]
    if match:
        lower = match["path"] == "metadata.annotations"
        key = match["key"].lower() if lower else match["key"]
        return invalids(path, key, names.qualified_name(key))
    if field not in allowed:
        return [not_supported(f"{path}.fieldPath", field, sorted(allowed))]
    return []


def resource_reference(reference: Tree, path: str, *, in_volume: bool) -> list[FieldError]:
    """A container's request or limit, in units of a divisor."""
    resource = reference["resource"]
    if in_volume and not reference.get("containerName"):
        return [required(f"{path}.containerName")]
    if not resource:
        return [required(f"{path}.resource")]
    if resource not in RESOURCES and not resource.startswith(_HUGE_PAGES):
        return [not_supported(f"{path}.resource", resource, RESOURCES)]
    divisor = reference.get("divisor", "0")
    if quantity.parse(divisor) == 0:
        return []
    name = resource.partition(".")[2]
    allowed: tuple[str, ...]
    if name == "cpu":
        allowed, words = ("1m", "1"), "1m and 1 are supported with the cpu resource"
    else:
        described = (
            "local ephemeral storage" if name == "ephemeral-storage" else name.partition("-")[0]
        )
        allowed, words = _SIZES, f"{', '.join(_SIZES)} are supported with the {described} resource"
    if divisor in allowed:
        return []
    return [invalid(f"{path}.divisor", resource, f"only divisor's values {words}")]


def _env_from(source: Tree, path: str, index: int) -> list[FieldError]:
    at = f"{path}[{index}]"
    errors: list[FieldError] = []
    if prefix := source.get("prefix"):
        errors += invalids(f"{at}.prefix", prefix, names.env_name(prefix))
    found = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
    for kind in found:
        name = source[kind].get("name", "")
        if name:
            errors += invalids(f"{at}.{kind}.name", name, names.dns1123_subdomain(name))
        else:
            errors.append(required(f"{at}.{kind}.name"))
    if not found:
        detail = "must specify one of: `configMapRef` or `secretRef`"
        errors.append(invalid(path, "", detail))
    elif len(found) > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors
