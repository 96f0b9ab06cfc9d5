"""What a job controller may write into a Job's status.

Source: validateJobStatus, ValidateJobStatusUpdate of pkg/apis/batch/validation. Upstream applies
some rules only to what changed; here all of them apply to a status that differs from the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.job import INDEXED
from apiserver.registry.validation.job_policies import count_indexes, interval
from apiserver.registry.validation.words import non_negative
from wherry.api.errors import FieldError, duplicate, invalid, required
from wherry.api.model import parse_time

Tree = Mapping[str, Any]

_COUNTS: Final = ("active", "succeeded", "failed", "ready", "terminating")
_TERMINAL: Final = ("Failed", "Complete", "FailureTarget")


def validate_job_status(tree: Tree, old: Tree) -> list[FieldError]:
    status, before = tree["status"], old["status"]
    errors: list[FieldError] = []
    for field in _COUNTS:
        errors += non_negative(status.get(field), f"status.{field}")
    errors += _uncounted(status)
    if status == before:
        return errors
    true, was_true = _true(status), _true(before)
    errors += _conditions(true) + _times(status, true)
    if {"Complete", "Failed"} & true:
        errors += _finished(status)
    errors += _indexes(tree)
    if "ready" in status and status["ready"] > status.get("active", 0):
        detail = "cannot set more ready pods than active"
        errors.append(invalid("status.ready", status["ready"], detail))
    errors += [
        _whole("status.conditions", f"cannot disable the terminal {one}=True condition")
        for one in _TERMINAL
        if one in was_true - true
    ]
    return errors + _progress(tree, before) + _criteria(true, was_true)


def _true(status: Tree) -> set[str]:
    return {one["type"] for one in status.get("conditions", ()) if one["status"] == "True"}


def _uncounted(status: Tree) -> list[FieldError]:
    found = status.get("uncountedTerminatedPods") or {}
    errors: list[FieldError] = []
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for index, uid in enumerate(found.get(field, ())):
            path = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                errors.append(invalid(path, uid, "must not be empty"))
            elif uid in seen:
                errors.append(duplicate(path, uid))
            seen.add(uid)
    return errors


def _conditions(true: set[str]) -> list[FieldError]:
    path = "status.conditions"
    errors: list[FieldError] = []
    if {"Complete", "Failed"} <= true:
        errors.append(_whole(path, "cannot set Complete=True and Failed=true conditions"))
    if {"Complete", "FailureTarget"} <= true:
        errors.append(_whole(path, "cannot set Complete=True and FailureTarget=true conditions"))
    if "Failed" in true and "FailureTarget" not in true:
        words = "cannot set Failed=True condition without the FailureTarget=true condition"
        errors.append(_whole(path, words))
    if "Complete" in true and "SuccessCriteriaMet" not in true:
        words = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        errors.append(_whole(path, words))
    for other, word in (("Failed", "Failed=true"), ("FailureTarget", "FailureTarget=true")):
        if {"SuccessCriteriaMet", other} <= true:
            words = f"cannot set SuccessCriteriaMet=True and {word} conditions"
            errors.append(_whole(path, words))
    return errors


def _times(status: Tree, true: set[str]) -> list[FieldError]:
    path, started, ended = "status.completionTime", status.get("startTime"), None
    ended = status.get("completionTime")
    complete = "Complete" in true
    if ended and not complete:
        detail = "cannot set completionTime when there is no Complete=True condition"
        return [invalid(path, ended, detail)]
    if complete and not ended:
        return [required(path, "completionTime is required for Complete jobs")]
    if started and ended and parse_time(ended) < parse_time(started):
        return [invalid(path, ended, "completionTime cannot be set before startTime")]
    return []


def _finished(status: Tree) -> list[FieldError]:
    errors = [
        invalid(f"status.{field}", status[field], f"{field}>0 is invalid for finished job")
        for field in ("active", "terminating")
        if status.get(field, 0) > 0
    ]
    if "startTime" not in status:
        errors.append(required("status.startTime", "startTime is required for finished job"))
    uncounted = status.get("uncountedTerminatedPods") or {}
    if uncounted.get("succeeded") or uncounted.get("failed"):
        detail = "uncountedTerminatedPods needs to be empty for finished job"
        errors.append(invalid("status.uncountedTerminatedPods", uncounted, detail))
    return errors


def _indexes(tree: Tree) -> list[FieldError]:
    spec, status = tree["spec"], tree["status"]
    completed, failed = status.get("completedIndexes", ""), status.get("failedIndexes")
    completions = spec.get("completions")
    errors: list[FieldError] = []
    if completed and spec.get("completionMode") != INDEXED:
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        errors.append(invalid("status.completedIndexes", completed, detail))
    if failed is not None and spec.get("backoffLimitPerIndex") is None:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        errors.append(invalid("status.failedIndexes", failed, detail))
    if completions is None:
        return errors
    sound = True
    for field, text in (("completedIndexes", completed), ("failedIndexes", failed or "")):
        try:
            count_indexes(text, completions)
        except ValueError as error:
            sound = False
            errors.append(invalid(f"status.{field}", text, f"error parsing {field}: {error}"))
    if sound and completed and failed and (both := _common(completed, failed, completions)):
        detail = f"failedIndexes and completedIndexes overlap at index: {both[0]}"
        errors.append(invalid("status.failedIndexes", failed, detail))
    return errors


def _common(left: str, right: str, completions: int) -> list[int]:
    """Where the intervals of two sound lists meet."""
    return [
        max(a[0], b[0])
        for a in (interval(one, completions) for one in left.split(","))
        for b in (interval(one, completions) for one in right.split(","))
        if a[0] <= b[1] and b[0] <= a[1]
    ]


def _progress(tree: Tree, before: Tree) -> list[FieldError]:
    """Counters and times that never go back."""
    status = tree["status"]
    errors = [
        invalid(f"status.{field}", status.get(field, 0), f"cannot decrease the {field} counter")
        for field in ("failed", "succeeded")
        if status.get(field, 0) < before.get(field, 0)
    ]
    ended, was_ended = status.get("completionTime"), before.get("completionTime")
    if ended and was_ended and ended != was_ended:
        detail = "completionTime cannot be mutated"
        errors.append(invalid("status.completionTime", ended, detail))
    started = before.get("startTime")
    if started and started != status.get("startTime") and not tree["spec"].get("suspend"):
        detail = "startTime cannot be removed for unsuspended job"
        errors.append(required("status.startTime", detail))
    return errors


def _criteria(true: set[str], was_true: set[str]) -> list[FieldError]:
    name, path = "SuccessCriteriaMet", "status.conditions"
    if name in was_true - true:
        return [_whole(path, "cannot disable the SuccessCriteriaMet=True condition")]
    if "Complete" in was_true and name in true - was_true:
        words = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        return [_whole(path, words)]
    return []


def _whole(path: str, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", path, f"Invalid value: {detail}")
