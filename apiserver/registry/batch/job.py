"""Jobs: defaults, the selector that is theirs alone, Table rows.

Source: pkg/registry/batch/job/strategy.go, pkg/apis/batch/v1/defaults.go, printJob.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.apps.workload import selects
from apiserver.registry.batch.job_status import validate_job_status
from apiserver.registry.core.pod_defaults import default_template
from apiserver.registry.printing import AGE, NAME, containers, created, label_selection
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.job import (
    INDEXED,
    NON_INDEXED,
    validate_job_spec,
    validate_job_spec_update,
)
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.pod_warnings import template_warnings
from apiserver.registry.validation.selector import is_sound, label_selector
from wherry.api import names
from wherry.api.batch_v1 import Job
from wherry.api.duration import human_duration
from wherry.api.errors import FieldError, invalid, required
from wherry.api.model import parse_time
from wherry.api.scheme import resource_of

BACKOFF: Final = 6
UNLIMITED: Final = 2**31 - 1
CONTROLLER_UID: Final = "batch.kubernetes.io/controller-uid"
JOB_NAME: Final = "batch.kubernetes.io/job-name"
LEGACY_CONTROLLER_UID: Final = "controller-uid"
LEGACY_JOB_NAME: Final = "job-name"
_MISMATCH: Final = "`selector` does not match template `labels`"
# What a row says of the first condition of these that is true.
_STATES: Final = (("Complete", "Complete"), ("Failed", "Failed"))
_LATER_STATES: Final = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


class JobStrategy(Strategy):
    """Pods that run to an end."""

    resource = resource_of(Job)
    has_generation = True
    default_propagation = "Orphan"
    orphaning_warning = (
        "child pods are preserved by default when jobs are deleted; set "
        "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress "
        "this warning"
    )
    columns = (
        NAME,
        Column("Status", description="How far the job is."),
        Column("Completions", description="Pods that succeeded, of those that should."),
        Column("Duration", description="How long it ran."),
        AGE,
        Column("Containers", description="Names of the template's containers.", priority=1),
        Column("Images", description="Images of the template's containers.", priority=1),
        Column("Selector", description="Which pods are its own.", priority=1),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = 1
        spec.setdefault("parallelism", 1)
        per_index = spec.get("backoffLimitPerIndex") is not None
        spec.setdefault("backoffLimit", UNLIMITED if per_index else BACKOFF)
        _label_as_template(tree)
        spec.setdefault("completionMode", NON_INDEXED)
        spec.setdefault("suspend", False)
        failing = spec.get("podFailurePolicy") is not None
        spec.setdefault("podReplacementPolicy", "Failed" if failing else "TerminatingOrFailed")
        spec.setdefault("manualSelector", False)
        default_job_spec(spec)

    def prepare_for_create(self, tree: Tree) -> None:
        if not tree["spec"].get("manualSelector"):
            _select_own_pods(tree)
            _label_as_template(tree)  # upstream's defaults run again when an object is read
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        errors = _own_selector(tree) + _spec_errors(tree["spec"])
        spec = tree["spec"]
        completions = spec.get("completions")
        if spec.get("completionMode") == INDEXED and completions:
            name = tree["metadata"].get("name", "")
            longest = f"{name}-{completions - 1}"
            if names.dns1123_label(longest):
                detail = f"will not able to create pod with invalid DNS label: {longest}"
                errors.append(invalid("metadata.name", name, detail))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return _spec_errors(tree["spec"]) + validate_job_spec_update(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_job_status(tree, old)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        return template_warnings(tree, old)

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        return {"status.successful": str(tree["status"].get("succeeded", 0))}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        named, images = containers(spec["template"]["spec"])
        return (
            tree["metadata"]["name"],
            _state(tree),
            _completions(spec, status),
            _duration(status, now),
            created(tree, now),
            named,
            images,
            label_selection(spec.get("selector")),
        )


def default_job_spec(spec: Tree) -> None:
    """What a Job's and a CronJob's job spec get alike."""
    default_template(spec["template"])
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions", ()):
            if not pattern.get("status"):
                pattern["status"] = "True"


def _label_as_template(tree: Tree) -> None:
    """A job without labels has its template's."""
    labels = tree["spec"]["template"]["metadata"].get("labels")
    if labels and not tree["metadata"].get("labels"):
        tree["metadata"]["labels"] = dict(labels)


def _select_own_pods(tree: Tree) -> None:
    metadata, spec = tree["metadata"], tree["spec"]
    name, uid = metadata.get("name", ""), metadata.get("uid", "")
    own = {CONTROLLER_UID: uid, JOB_NAME: name, LEGACY_CONTROLLER_UID: uid, LEGACY_JOB_NAME: name}
    template = spec["template"]["metadata"]
    labels = {**own, **template.get("labels", {})}
    template["labels"] = {key: labels[key] for key in sorted(labels)}
    selector = spec.setdefault("selector", {})
    selector["matchLabels"] = {CONTROLLER_UID: uid, **selector.get("matchLabels", {})}


def _own_selector(tree: Tree) -> list[FieldError]:
    """A generated selector and its labels are as generated."""
    spec, metadata = tree["spec"], tree["metadata"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return []
    name, uid = metadata.get("name", ""), metadata.get("uid", "")
    expected = {
        LEGACY_CONTROLLER_UID: uid, LEGACY_JOB_NAME: name, CONTROLLER_UID: uid, JOB_NAME: name,
    }  # fmt: skip
    labels = spec["template"]["metadata"].get("labels", {})
    path = "spec.template.metadata.labels"
    errors: list[FieldError] = []
    for key, value in expected.items():
        if key not in labels:
            errors.append(required(f"{path}[{key}]", f"must be '{value}'"))
        elif labels[key] != value:
            errors.append(invalid(f"{path}[{key}]", labels, f"must be '{value}'"))
    if is_sound(spec["selector"]) and not selects(spec["selector"], expected):
        errors.append(invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))
    return errors


def _spec_errors(spec: Tree) -> list[FieldError]:
    errors = validate_job_spec(spec, "spec")
    selector = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        errors += label_selector(selector, "spec.selector")
    labels = spec["template"]["metadata"].get("labels")
    if (selector is None or is_sound(selector)) and not selects(selector, labels):
        errors.append(invalid("spec.template.metadata.labels", labels, _MISMATCH))
    return errors


def _state(tree: Mapping[str, Any]) -> str:
    true = {one["type"] for one in tree["status"].get("conditions", ()) if one["status"] == "True"}
    for condition, word in _STATES:
        if condition in true:
            return word
    if tree["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((one for one in _LATER_STATES if one in true), "Running")


def _completions(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    succeeded = status.get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(status: Mapping[str, Any], now: datetime) -> str:
    if "startTime" not in status:
        return ""
    ended = status.get("completionTime")
    until = parse_time(ended) if ended else now
    return human_duration((until - parse_time(status["startTime"])).total_seconds())
