"""The words that claims, classes and slices of devices share: names, selectors, configuration, taints.

Of CEL selectors only presence and length are checked; whether they compile, and what they cost, is not.
Source: pkg/apis/resource/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from apiserver.registry.validation.cel import BOOL, expression_errors
from apiserver.registry.validation.persistent_volume import csi_driver_name
from apiserver.registry.validation.words import each, invalids
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)

SELECTORS_MAX: Final = 32
CONFIG_MAX: Final = 32
REQUESTS_MAX: Final = 32
EXPRESSION_MAX: Final = 10 * 1024
PARAMETERS_MAX: Final = 10 * 1024
POOL_NAME_MAX: Final = 253
IDENTIFIER_MAX: Final = 32
TAINT_EFFECTS: Final = ("NoExecute", "NoSchedule", "None")
TOLERATION_OPERATORS: Final = ("Equal", "Exists")
_IDENTIFIER: Final = "[A-Za-z_][A-Za-z0-9_]*"

Tree = Mapping[str, Any]
Check = Callable[[Any, str], list[FieldError]]


def limited(items: Sequence[Any], limit: int, path: str, check: Check) -> list[FieldError]:
    """Each item checked, unless there are too many to be worth it."""
    if len(items) > limit:
        return [too_many(path, len(items), limit)]
    return each(items, path, check)


def unique(
    items: Sequence[Any], limit: int, path: str, check: Check, key: Callable[[Any], Any]
) -> list[FieldError]:
    """The same, and no two items alike."""
    if len(items) > limit:
        return [too_many(path, len(items), limit)]
    errors = each(items, path, check)
    seen = set()
    for index, item in enumerate(items):
        found = key(item)
        if found in seen:
            errors.append(duplicate(f"{path}[{index}]", found))
        seen.add(found)
    return errors


def by_name(item: Tree) -> str:
    name: str = item["name"]
    return name


def label_errors(name: str, path: str) -> list[FieldError]:
    return invalids(path, name, names.dns1123_label(name))


def pool_name(name: str, path: str) -> list[FieldError]:
    """Domain names between slashes."""
    if not name:
        return [required(path)]
    errors = [too_long(path, POOL_NAME_MAX)] if len(name) > POOL_NAME_MAX else []
    for part in name.split("/"):
        errors += invalids(path, part, names.dns1123_subdomain(part))
    return errors


def class_name(name: str, path: str) -> list[FieldError]:
    return invalids(path, name, names.dns1123_subdomain(name)) if name else [required(path)]


def _identifier(name: str, path: str) -> list[FieldError]:
    errors = [too_long(path, IDENTIFIER_MAX)] if len(name) > IDENTIFIER_MAX else []
    if not re.fullmatch(_IDENTIFIER, name):
        words = (
            "a valid C identifier must start with alphabetic character or '_', followed by a "
            "string of alphanumeric characters or '_'"
        )
        said = names.regex_error(words, _IDENTIFIER, "my_name", "MY_NAME", "MyName")
        errors.append(invalid(path, name, said))
    return errors


def qualified_name(name: str, path: str) -> list[FieldError]:
    """The name of an attribute or capacity: an identifier, perhaps behind a domain."""
    parts = name.split("/")
    if len(parts) == 1:
        return _identifier(name, path)
    if len(parts) > 2:
        return []  # upstream checks no further
    domain, identifier = parts
    errors = (
        csi_driver_name(domain, path)
        if domain
        else [invalid(path, "", "the domain must not be empty")]
    )
    if not identifier:
        return [*errors, invalid(path, "", "the name must not be empty")]
    return errors + _identifier(identifier, path)


def full_name(name: str, path: str) -> list[FieldError]:
    errors = qualified_name(name, path)
    if "/" not in name:
        words = "a fully qualified name must be a domain and a name separated by a slash"
        errors.append(invalid(path, name, words))
    return errors


def selectors_errors(selectors: Sequence[Tree], path: str) -> list[FieldError]:
    return limited(selectors, SELECTORS_MAX, path, _selector)


def _selector(selector: Tree, path: str) -> list[FieldError]:
    cel = selector.get("cel")
    if cel is None:
        return [required(f"{path}.cel")]
    at, expression = f"{path}.cel.expression", cel["expression"]
    if not expression:
        return [required(at)]
    if len(expression.encode()) > EXPRESSION_MAX:
        return [too_long(at, EXPRESSION_MAX)]
    return expression_errors(expression, at, ("device",), BOOL)


def configuration_errors(config: Tree, path: str) -> list[FieldError]:
    """What a driver is told: parameters that only it understands."""
    opaque, at = config.get("opaque"), f"{path}.opaque"
    if opaque is None:
        return [required(at)]
    parameters = opaque["parameters"]
    errors = csi_driver_name(opaque["driver"], f"{at}.driver")
    return errors + raw_errors(parameters, f"{at}.parameters", PARAMETERS_MAX)


def raw_errors(value: Any, path: str, limit: int) -> list[FieldError]:
    if value is None:
        return [required(path)]
    return [too_long(path, limit)] if len(orjson.dumps(value)) > limit else []


def taint_errors(taint: Tree, path: str) -> list[FieldError]:
    errors = invalids(f"{path}.key", taint["key"], names.label_key(taint["key"]))
    if value := taint.get("value"):
        errors += invalids(f"{path}.value", value, names.label_value(value))
    if not taint["effect"]:
        return [*errors, required(f"{path}.effect")]
    return errors + _effect(taint["effect"], f"{path}.effect")


def _effect(effect: str, path: str) -> list[FieldError]:
    return [] if effect in TAINT_EFFECTS else [not_supported(path, effect, TAINT_EFFECTS)]


def toleration_errors(toleration: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if key := toleration.get("key"):
        errors += invalids(f"{path}.key", key, names.label_key(key))
    operator, value = toleration.get("operator", ""), toleration.get("value", "")
    if operator == "Exists":
        if value:
            words = "must be empty for operator `Exists`"
            errors.append(invalid(f"{path}.value", value, words))
    elif operator == "Equal":
        errors += invalids(f"{path}.value", value, names.label_value(value))
    elif not operator:
        errors.append(required(f"{path}.operator"))
    else:
        errors.append(not_supported(f"{path}.operator", operator, TOLERATION_OPERATORS))
    effect = toleration.get("effect", "")
    return errors + (_effect(effect, f"{path}.effect") if effect else [])


def template_metadata_errors(metadata: Tree, path: str) -> list[FieldError]:
    """A template's metadata has labels and annotations, nothing else."""
    return [
        forbidden_field(f"{path}.{field}", "cannot be set")
        for field in metadata
        if field not in ("labels", "annotations", "creationTimestamp")
    ]
