"""When a Job counts as failed or done before all its pods are: its two policies.

Source: validatePodFailurePolicy, validateSuccessPolicy of pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.words import each, invalids, non_negative
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)  # fmt: skip
from wherry.api.numerals import whole

Tree = Mapping[str, Any]

RULES_MAX: Final = 20
EXIT_CODES_MAX: Final = 255
PATTERNS_MAX: Final = 20
INDEXES_MAX: Final = 64 * 1024
ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS: Final = ("In", "NotIn")
_STATUSES: Final = ("False", "True", "Unknown")


def validate_failure_policy(policy: Tree, spec: Tree, path: str) -> list[FieldError]:
    rules, at = policy.get("rules") or (), f"{path}.rules"
    errors = [too_many(at, len(rules), RULES_MAX)] if len(rules) > RULES_MAX else []
    pod = spec["template"]["spec"]
    known = {
        one["name"]
        for field in ("containers", "initContainers")
        for one in pod.get(field) or ()
    }  # fmt: skip
    per_index = spec.get("backoffLimitPerIndex") is not None
    return errors + each(
        rules, at, lambda rule, here: _failure_rule(rule, here, known, per_index=per_index)
    )


def _failure_rule(rule: Tree, path: str, known: set[str], *, per_index: bool) -> list[FieldError]:
    action, at = rule["action"], f"{path}.action"
    errors: list[FieldError] = []
    if not action:
        errors.append(required(at, _valid(ACTIONS)))
    elif action == "FailIndex" and not per_index:
        errors.append(invalid(at, action, "requires the backoffLimitPerIndex to be set"))
    elif action not in ACTIONS:
        errors.append(not_supported(at, action, ACTIONS))
    codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions", ())
    if codes is not None:
        errors += _exit_codes(codes, f"{path}.onExitCodes", known)
    if len(patterns) > PATTERNS_MAX:
        errors.append(too_many(f"{path}.onPodConditions", len(patterns), PATTERNS_MAX))
    errors += each(patterns, f"{path}.onPodConditions", _pattern)
    if codes is not None and patterns:
        errors.append(
            _whole(path, "specifying both OnExitCodes and OnPodConditions is not supported")
        )
    if codes is None and not patterns:
        errors.append(_whole(path, "specifying one of OnExitCodes and OnPodConditions is required"))
    return errors


def _exit_codes(codes: Tree, path: str, known: set[str]) -> list[FieldError]:
    operator, name = codes["operator"], codes.get("containerName")
    values = codes.get("values") or []
    errors: list[FieldError] = []
    if not operator:
        errors.append(required(f"{path}.operator", _valid(_OPERATORS)))
    elif operator not in _OPERATORS:
        errors.append(not_supported(f"{path}.operator", operator, _OPERATORS))
    if name is not None and name not in known:
        detail = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", name, detail))
    at = f"{path}.values"
    if not values:
        errors.append(invalid(at, values, "at least one value is required"))
    elif len(values) > EXIT_CODES_MAX:
        errors.append(too_many(at, len(values), EXIT_CODES_MAX))
    for index, value in enumerate(values):
        here = f"{at}[{index}]"
        if operator == "In" and value == 0:
            errors.append(invalid(here, value, "must not be 0 for the In operator"))
        if value in values[:index]:
            errors.append(duplicate(here, value))
    if values != sorted(values):
        errors.append(invalid(at, values, "must be ordered"))
    return errors


def _pattern(pattern: Tree, path: str) -> list[FieldError]:
    kind, status = pattern["type"], pattern.get("status", "")
    errors = invalids(f"{path}.type", kind, names.qualified_name(kind))
    if not status:
        errors.append(required(f"{path}.status", _valid(_STATUSES)))
    elif status not in _STATUSES:
        errors.append(not_supported(f"{path}.status", status, _STATUSES))
    return errors


def validate_success_policy(policy: Tree, spec: Tree, path: str) -> list[FieldError]:
    rules, at = policy.get("rules") or (), f"{path}.rules"
    errors: list[FieldError] = []
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(at, detail))
    if len(rules) > RULES_MAX:
        errors.append(too_many(at, len(rules), RULES_MAX))
    completions = spec.get("completions") or 0
    return errors + each(rules, at, lambda rule, here: _success_rule(rule, completions, here))


def _success_rule(rule: Tree, completions: int, path: str) -> list[FieldError]:
    indexes, count = rule.get("succeededIndexes"), rule.get("succeededCount")
    if indexes is None and count is None:
        detail = "at least one of succeededCount or succeededIndexes must be specified"
        return [required(path, detail)]
    errors: list[FieldError] = []
    total = 0
    if indexes is not None:
        at = f"{path}.succeededIndexes"
        if len(indexes) > INDEXES_MAX:
            errors.append(too_long(at, INDEXES_MAX))
        try:
            total = count_indexes(indexes, completions)
        except ValueError as error:
            errors.append(invalid(at, indexes, f"error parsing succeededIndexes: {error}"))
    if count is not None:
        at = f"{path}.succeededCount"
        errors += non_negative(count, at)
        if count > completions:
            words = f"{completions} (the number of specified completions)"
            errors.append(invalid(at, count, f"must be less than or equal to {words}"))
        if indexes is not None and count > total:
            words = f"{total} (the number of indexes in the specified succeededIndexes field)"
            errors.append(invalid(at, count, f"must be less than or equal to {words}"))
    return errors


def count_indexes(text: str, completions: int) -> int:
    """How many indexes `1,3-5` names; ValueError in upstream's words when it is not sound."""
    total, last = 0, -1
    for part in text.split(",") if text else ():
        first, end = interval(part, completions)
        if first <= last:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        total += end - first + 1
        last = end
    return total


def interval(text: str, completions: int) -> tuple[int, int]:
    """The ends of `3` or `3-5`. ValueError."""
    ends = text.split("-")
    if len(ends) > 2:
        raise ValueError(
            f'the fragment "{text}" violates the requirement that an index interval can have '
            "at most two parts separated by '-'"
        )
    numbers: list[int] = []
    for end in ends:
        if (number := whole(end)) is None:
            raise ValueError(f'cannot convert string to integer for index: "{end}"')
        if number >= completions:
            raise ValueError(f'too large index: "{end}"')
        numbers.append(number)
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise ValueError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def _valid(values: tuple[str, ...]) -> str:
    return "valid values: [" + " ".join(f'"{one}"' for one in values) + "]"


def _whole(path: str, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", path, f"Invalid value: {detail}")
