"""Slices of a driver's pool of devices: what there is, where it can be used, what it shares.

Source: pkg/apis/resource/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.registry.validation.affinity import node_selector
from apiserver.registry.validation.devices import (
    Tree,
    by_name,
    label_errors,
    limited,
    pool_name,
    qualified_name,
    taint_errors,
    unique,
)
from apiserver.registry.validation.persistent_volume import csi_driver_name
from apiserver.registry.validation.words import immutable, invalids
from wherry.api import names, quantity
from wherry.api.errors import (
    FieldError,
    forbidden_field,
    invalid,
    required,
    too_long,
    too_many,
)  # fmt: skip

DEVICES_MAX: Final = 128
DEVICES_WITH_EXTRAS_MAX: Final = 64  # with taints or counters
FACTS_MAX: Final = 32  # attributes and capacities of a device
FACT_NAME_MAX: Final = 63 + 1 + 32
VALUE_MAX: Final = 64
TAINTS_MAX: Final = 16
COUNTER_SETS_MAX: Final = 8
COUNTERS_MAX: Final = 32
CONSUMPTIONS_MAX: Final = 2
BINDING_CONDITIONS_MAX: Final = 4
CHOICES_MAX: Final = 10
VALUE_KINDS: Final = ("bool", "int", "string", "version")
# Lists of values come with a feature that is off by default.
DISABLED_KINDS: Final = ("ints", "bools", "strings", "versions")

_NUMBER: Final = r"(0|[1-9]\d*)"
_PRE: Final = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)


def slice_errors(spec: Tree, old: Tree | None) -> list[FieldError]:
    errors = csi_driver_name(spec["driver"], "spec.driver") + _pool(spec["pool"], "spec.pool")
    if old is not None:
        errors += immutable(spec["pool"]["name"], old["pool"]["name"], "spec.pool.name")
        errors += immutable(spec["driver"], old["driver"], "spec.driver")
        errors += immutable(spec.get("nodeName"), old.get("nodeName"), "spec.nodeName")
    errors += _where(spec)
    devices, counters = spec.get("devices", ()), spec.get("sharedCounters", ())
    if devices and counters:
        words = "only one of `sharedCounters` or `devices` is allowed"
        errors.append(invalid("spec", "", words))
    extras = any(one.get("taints") or one.get("consumesCounters") for one in devices)
    limit = DEVICES_WITH_EXTRAS_MAX if extras else DEVICES_MAX
    apart = bool(spec.get("perDeviceNodeSelection"))
    before = {one["name"]: one for one in (old or {}).get("devices", ())}
    errors += unique(
        devices, limit, "spec.devices",
        lambda one, at: _device(one, before.get(one["name"]), at, apart=apart), by_name,
    )  # fmt: skip
    return errors + unique(counters, COUNTER_SETS_MAX, "spec.sharedCounters", _counter_set, by_name)


def _pool(pool: Tree, path: str) -> list[FieldError]:
    errors = pool_name(pool["name"], f"{path}.name")
    count, generation = pool["resourceSliceCount"], pool["generation"]
    if count <= 0:
        errors.append(invalid(f"{path}.resourceSliceCount", count, "must be greater than zero"))
    if generation < 0:
        words = "must be greater than or equal to zero"
        errors.append(invalid(f"{path}.generation", generation, words))
    return errors


def _placed(tree: Tree, path: str, empty: str) -> tuple[list[str], list[FieldError]]:
    """Which of the fields about nodes are set, and what is wrong with them."""
    found: list[str] = []
    errors: list[FieldError] = []
    if (name := tree.get("nodeName")) is not None:
        if name:
            found.append("`nodeName`")
            errors += invalids(f"{path}.nodeName", name, names.dns1123_subdomain(name))
        else:
            errors.append(invalid(f"{path}.nodeName", name, empty))
    if (selector := tree.get("nodeSelector")) is not None:
        found.append("`nodeSelector`")
        errors += node_selector(selector, f"{path}.nodeSelector")
    for field in ("allNodes", "perDeviceNodeSelection"):
        if (value := tree.get(field)) is not None:
            if value:
                found.append(f"`{field}`")
            else:
                words = "must be either unset or set to true"
                errors.append(invalid(f"{path}.{field}", value, words))
    return found, errors


def _one_of(found: list[str], path: str, words: str, more: str = "") -> list[FieldError]:
    if not found:
        return [required(path, words)]
    if len(found) > 1:
        return [invalid(path, "{" + ", ".join(found) + "}", words + more)]
    return []


def _where(spec: Tree) -> list[FieldError]:
    found, errors = _placed(spec, "spec", "must be either unset or set to a non-empty string")
    terms = (spec.get("nodeSelector") or {}).get("nodeSelectorTerms") or ()
    if spec.get("nodeSelector") is not None and len(terms) != 1:
        words = "must have exactly one node selector term"
        errors.append(invalid("spec.nodeSelector.nodeSelectorTerms", terms, words))
    words = (
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` "
        "is required"
    )
    return errors + _one_of(found, "spec", words, ", but multiple fields are set")


def _device(device: Tree, old: Tree | None, path: str, *, apart: bool) -> list[FieldError]:
    errors = label_errors(device["name"], f"{path}.name")
    attributes, capacity = device.get("attributes", {}), device.get("capacity", {})
    if (count := len(attributes) + len(capacity)) > FACTS_MAX:
        words = f"the total number of attributes and capacities must not exceed {FACTS_MAX}"
        errors.append(invalid(path, count, words))
    errors += _facts(attributes, f"{path}.attributes", _attribute)
    many = bool(device.get("allowMultipleAllocations"))
    errors += _facts(capacity, f"{path}.capacity", lambda one, at: _capacity(one, at, many=many))
    taints = device.get("taints", ())
    if old is None or old.get("taints", ()) != taints:
        errors += limited(taints, TAINTS_MAX, f"{path}.taints", taint_errors)
    errors += unique(
        device.get("consumesCounters", ()), CONSUMPTIONS_MAX, f"{path}.consumesCounters",
        _consumption, lambda one: one["counterSet"],
    )  # fmt: skip
    return errors + _device_place(device, path, apart=apart) + _binding(device, path)


def _device_place(device: Tree, path: str, *, apart: bool) -> list[FieldError]:
    per_device = "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
    if apart:
        found, errors = _placed(device, path, "must not be empty")
        words = f"exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when {per_device}"
        return errors + _one_of(found, path, words)
    if any(device.get(field) is not None for field in ("nodeName", "nodeSelector", "allNodes")):
        words = f"`nodeName`, `nodeSelector` and `allNodes` can only be set if {per_device}"
        return [invalid(path, None, words)]
    return []


def _binding(device: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    fields = ("bindingConditions", "bindingFailureConditions")
    for field, other in (fields, fields[::-1]):
        found, at = device.get(field, ()), f"{path}.{field}"
        if not found and device.get(other):
            errors.append(invalid(at, found, f"{field} are required to use {other}"))
        errors += unique(
            found, BINDING_CONDITIONS_MAX, at,
            lambda one, here: invalids(here, one, names.label_key(one)), lambda one: one,
        )  # fmt: skip
    return errors


def _facts(
    facts: Mapping[str, Any], path: str, check: Callable[[Any, str], list[FieldError]]
) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, fact in facts.items():
        at = f"{path}[{_shortened(name)}]"
        errors += qualified_name(name, at) + check(fact, at)
    return errors


def _shortened(name: str) -> str:
    if len(name) <= FACT_NAME_MAX:
        return name
    left = FACT_NAME_MAX - 3
    return f"{name[: (left + 1) // 2]}...{name[len(name) - left // 2 :]}"


def _attribute(attribute: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("string", "version"):
        value = attribute.get(field)
        if value is None:
            continue
        if field == "version" and not _SEMVER.fullmatch(value):
            words = "must be a string compatible with semver.org spec 2.0.0"
            errors.append(invalid(f"{path}.version", value, words))
        if len(value) > VALUE_MAX:
            errors.append(too_long(f"{path}.{field}", VALUE_MAX))
    found = [field for field in VALUE_KINDS if attribute.get(field) is not None]
    if len(found) != 1:
        value = attribute if found else ""
        errors.append(invalid(path, value, "exactly one value must be specified"))
    return errors


def _capacity(capacity: Tree, path: str, *, many: bool) -> list[FieldError]:
    policy, at = capacity.get("requestPolicy"), f"{path}.requestPolicy"
    if policy is None:
        return []
    if not many:
        return [forbidden_field(at, "allowMultipleAllocations must be true")]
    values, valid = policy.get("validValues", ()), policy.get("validRange")
    if values and valid is not None:
        words = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        return [forbidden_field(at, words)]
    default = policy.get("default")
    field = "validValues" if values else "validRange"
    if not values and valid is None:
        return []
    if default is None:
        return [required(f"{at}.default", f"required when {field} is defined")]
    if values:
        return _choices(values, default, capacity["value"], f"{at}.validValues")
    return _range(valid, default, capacity["value"], f"{at}.validRange")


def _choices(values: list[str], default: str, most: str, path: str) -> list[FieldError]:
    parse = quantity.parse
    if len(values) > CHOICES_MAX:
        return [too_many(path, len(values), CHOICES_MAX)]
    errors = [
        invalid(f"{path}[{i + 1}]", values[i + 1], "values must be sorted in ascending order")
        for i in range(len(values) - 1)
        if parse(values[i]) > parse(values[i + 1])
    ]
    errors += unique(
        values, CHOICES_MAX, path,
        lambda one, at: _at_most(one, most, "option", at), lambda one: str(quantity.value(one)),
    )  # fmt: skip
    if all(parse(one) != parse(default) for one in values):
        words = "default value is not valid according to the requestPolicy"
        errors.append(invalid(path, default, words))
    return errors


def _at_most(value: str, most: str, what: str, path: str) -> list[FieldError]:
    if quantity.parse(value) <= quantity.parse(most):
        return []
    return [invalid(path, value, f"{what} is larger than capacity value: {most}")]


def _range(valid: Any, default: str, most: str, path: str) -> list[FieldError]:
    parse = quantity.parse
    low, high, step = valid.get("min"), valid.get("max"), valid.get("step")
    if low is None:
        return [required(f"{path}.min", "required when validRange is defined")]
    errors = _at_most(low, most, "min", f"{path}.min")
    if parse(default) < parse(low):
        errors.append(invalid(f"{path}.min", default, f"default is less than min: {low}"))
    if high is not None:
        if parse(low) > parse(high):
            errors.append(invalid(f"{path}.max", low, f"min is larger than max: {high}"))
        errors += _at_most(high, most, "max", f"{path}.max")
        if parse(default) > parse(high):
            errors.append(invalid(f"{path}.max", default, f"default is more than max: {high}"))
    if step is None or parse(step) <= 0:
        return errors
    if parse(low) + parse(step) > parse(most):
        words = f"one step {step} is larger than capacity value: {most}"
        errors.append(invalid(f"{path}.step", step, words))
    for value in (default, high):
        if value is not None and (parse(value) - parse(low)) % parse(step):
            words = f"value is not a multiple of a given step ({step}) from ({low})"
            errors.append(invalid(f"{path}.step", value, words))
    return errors


def _counter_set(counters: Tree, path: str) -> list[FieldError]:
    return _counters(counters, "name", path)


def _consumption(consumption: Tree, path: str) -> list[FieldError]:
    return _counters(consumption, "counterSet", path)


def _counters(tree: Tree, field: str, path: str) -> list[FieldError]:
    name, counters, at = tree[field], tree.get("counters") or {}, f"{path}.counters"
    errors = label_errors(name, f"{path}.{field}") if name else [required(f"{path}.{field}")]
    if not counters:
        return [*errors, required(at)]
    if len(counters) > COUNTERS_MAX:
        return [*errors, too_many(at, len(counters), COUNTERS_MAX)]
    for counter in counters:
        errors += label_errors(counter, f"{at}[{counter}]")
    return errors
