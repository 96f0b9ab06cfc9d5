"""What Jobs may say, also as templates in CronJobs.

Source: validateJobSpec, ValidateJobSpecUpdate of pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.job_policies import (
    validate_failure_policy,
    validate_success_policy,
)
from apiserver.registry.validation.pod_template import validate_template
from apiserver.registry.validation.words import immutable, non_negative, unsupported
from wherry.api import names
from wherry.api.errors import FieldError, invalid, required, too_long
from wherry.api.patch import copy_tree

Tree = Mapping[str, Any]

INDEXED: Final = "Indexed"
NON_INDEXED: Final = "NonIndexed"
ENDING: Final = ("OnFailure", "Never")
INDEXED_PARALLELISM_MAX: Final = 100_000
FAILED_INDEXES_MAX: Final = 100_000
COMPLETIONS_SOFT_MAX: Final = 100_000
PARALLELISM_OF_MANY_MAX: Final = 10_000
FAILED_INDEXES_OF_MANY_MAX: Final = 10_000
MANAGED_BY_MAX: Final = 63
_COUNTS: Final = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
    "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
_FIXED: Final = (
    "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy",
)  # fmt: skip
# What may change in the template of a suspended job.
_SCHEDULING: Final = ("nodeSelector", "tolerations", "schedulingGates")


def validate_job_spec(spec: Tree, path: str) -> list[FieldError]:
    """All of a spec but its selector."""
    errors: list[FieldError] = []
    for field in _COUNTS:
        errors += non_negative(spec.get(field), f"{path}.{field}")
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        detail = "when maxFailedIndexes is specified"
        errors.append(required(f"{path}.backoffLimitPerIndex", detail))
    errors += _managed_by(spec.get("managedBy"), f"{path}.managedBy")
    errors += _completion(spec, path)
    if (policy := spec.get("podFailurePolicy")) is not None:
        errors += validate_failure_policy(policy, spec, f"{path}.podFailurePolicy")
    if (success := spec.get("successPolicy")) is not None:
        if spec.get("completionMode") == INDEXED:
            errors += validate_success_policy(success, spec, f"{path}.successPolicy")
        else:
            detail = "requires indexed completion mode"
            errors.append(invalid(f"{path}.successPolicy", success, detail))
    errors += _replacement(spec, f"{path}.podReplacementPolicy")
    errors += validate_template(spec["template"], f"{path}.template")
    return errors + _restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _managed_by(value: str | None, path: str) -> list[FieldError]:
    if value is None:
        return []
    domain, slash, rest = value.partition("/")
    errors: list[FieldError] = []
    if not value:
        errors.append(required(path))
    elif not slash or not domain or not rest:
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        errors.append(invalid(path, value, detail))
    else:
        errors += [invalid(path, domain, words) for words in names.dns1123_subdomain(domain)]
    if len(value) > MANAGED_BY_MAX:
        errors.append(too_long(path, MANAGED_BY_MAX))
    return errors


def _completion(spec: Tree, path: str) -> list[FieldError]:
    mode = spec.get("completionMode")
    errors: list[FieldError] = []
    if mode is not None and mode not in (NON_INDEXED, INDEXED):
        errors.append(unsupported(f"{path}.completionMode", mode, (NON_INDEXED, INDEXED)))
    if mode == INDEXED:
        return errors + _indexed(spec, path)
    if mode in (None, NON_INDEXED):
        errors += [
            invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
            for field in ("backoffLimitPerIndex", "maxFailedIndexes")
            if spec.get(field) is not None
        ]
    return errors


def _indexed(spec: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        errors.append(required(f"{path}.completions", f"when completion mode is {INDEXED}"))
    if parallelism is not None and parallelism > INDEXED_PARALLELISM_MAX:
        detail = (
            f"must be less than or equal to {INDEXED_PARALLELISM_MAX} "
            f"when completion mode is {INDEXED}"
        )
        errors.append(invalid(f"{path}.parallelism", parallelism, detail))
    if failed is not None:
        at = f"{path}.maxFailedIndexes"
        if completions is not None and failed > completions:
            errors.append(invalid(at, failed, "must be less than or equal to completions"))
        if failed > FAILED_INDEXES_MAX:
            detail = f"must be less than or equal to {FAILED_INDEXES_MAX}"
            errors.append(invalid(at, failed, detail))
    many = completions is not None and completions > COMPLETIONS_SOFT_MAX
    if many and spec.get("backoffLimitPerIndex") is not None:
        errors += _many(parallelism, failed, path)
    return errors


def _many(parallelism: int | None, failed: int | None, path: str) -> list[FieldError]:
    """Limits that keep the status of a job with very many indexes small."""
    errors: list[FieldError] = []
    above = (
        f"when completions are above {COMPLETIONS_SOFT_MAX} and used with backoff limit per index"
    )
    if failed is None:
        detail = f"must be specified when completions is above {COMPLETIONS_SOFT_MAX}"
        errors.append(required(f"{path}.maxFailedIndexes", detail))
    if parallelism is not None and parallelism > PARALLELISM_OF_MANY_MAX:
        detail = f"must be less than or equal to {PARALLELISM_OF_MANY_MAX} {above}"
        errors.append(invalid(f"{path}.parallelism", parallelism, detail))
    if failed is not None and failed > FAILED_INDEXES_OF_MANY_MAX:
        detail = f"must be less than or equal to {FAILED_INDEXES_OF_MANY_MAX} {above}"
        errors.append(invalid(f"{path}.maxFailedIndexes", failed, detail))
    return errors


def _replacement(spec: Tree, path: str) -> list[FieldError]:
    policy = spec.get("podReplacementPolicy")
    allowed: tuple[str, ...] = ("Failed", "TerminatingOrFailed")
    if spec.get("podFailurePolicy") is not None:
        allowed = allowed[:1]
    return [] if policy is None or policy in allowed else [unsupported(path, policy, allowed)]


def _restart_policy(spec: Tree, path: str) -> list[FieldError]:
    policy = spec["template"]["spec"].get("restartPolicy", "")
    if policy in ("", "Always"):
        return [required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ENDING:
        return [unsupported(path, policy, ENDING)]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        return [invalid(path, policy, detail)]
    return []


def validate_job_spec_update(tree: Tree, old: Tree) -> list[FieldError]:
    """What may not change in a job once it is made."""
    spec, before = tree["spec"], old["spec"]
    errors = _completions_unchanged(spec, before)
    errors += immutable(spec.get("selector"), before.get("selector"), "spec.selector")
    allowed = before["template"]
    if is_changeable(old):
        allowed = _with_changes(before["template"], spec["template"])
    errors += immutable(spec["template"], allowed, "spec.template")
    for field in _FIXED:
        errors += immutable(spec.get(field), before.get(field), f"spec.{field}")
    return errors


def _completions_unchanged(spec: Tree, before: Tree) -> list[FieldError]:
    path, new = "spec.completions", spec.get("completions")
    if spec.get("completionMode") != INDEXED:
        return immutable(new, before.get("completions"), path)
    if new in (None, before.get("completions")) or new == spec.get("parallelism"):
        return []
    return [invalid(path, new, "can only be modified in tandem with spec.parallelism")]


def is_changeable(job: Tree) -> bool:
    """Whether nothing of the job runs, so that its pods may still be steered elsewhere."""
    status = job["status"]
    if not job["spec"].get("suspend"):
        return False
    suspended = any(
        one["type"] == "Suspended" and one["status"] == "True"
        for one in status.get("conditions", ())
    )
    return "startTime" not in status or (suspended and not status.get("active"))


def _with_changes(old: Tree, new: Tree) -> dict[str, Any]:
    """The old template with the new one's labels, annotations, scheduling and resources."""
    template: dict[str, Any] = copy_tree(old)
    for field in ("labels", "annotations"):
        _take(template["metadata"], new["metadata"], field)
    spec, wanted = template["spec"], new["spec"]
    for field in _SCHEDULING:
        _take(spec, wanted, field)
    affinity = {**(spec.get("affinity") or {})}
    _take(affinity, wanted.get("affinity") or {}, "nodeAffinity")
    if affinity or wanted.get("affinity") is not None:
        spec["affinity"] = affinity
    else:
        spec.pop("affinity", None)
    for field in ("containers", "initContainers"):
        pairs = zip(spec.get(field) or (), wanted.get(field) or (), strict=False)
        for container, other in pairs:
            container["resources"] = other["resources"]
    return template


def _take(target: dict[str, Any], source: Tree, field: str) -> None:
    if field in source:
        target[field] = source[field]
    else:
        target.pop(field, None)
