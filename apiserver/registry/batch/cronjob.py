"""CronJobs: defaults, schedules, Table rows.

Source: pkg/registry/batch/cronjob/strategy.go, pkg/apis/batch/v1/defaults.go,
pkg/apis/batch/validation, printCronJob.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apiserver.registry.batch.job import default_job_spec
from apiserver.registry.printing import AGE, NAME, NONE, age, containers, created, label_selection
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.job import validate_job_spec
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.pod_warnings import changed_template_warnings
from apiserver.registry.validation.words import non_negative, unsupported
from wherry.api import cron
from wherry.api.batch_v1 import CronJob
from wherry.api.errors import FieldError, invalid, required
from wherry.api.scheme import resource_of

SUCCESSFUL_HISTORY: Final = 3
FAILED_HISTORY: Final = 1
NAME_MAX: Final = 52  # jobs append 11 characters and may have 63
POLICIES: Final = ("Allow", "Forbid", "Replace")
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")


class CronJobStrategy(Strategy):
    """Jobs at given times."""

    resource = resource_of(CronJob)
    has_generation = True
    columns = (
        NAME,
        Column("Schedule", description="When jobs start."),
        Column("Timezone", description="Whose clock the schedule means."),
        Column("Suspend", "boolean", description="Whether no new jobs start."),
        Column("Active", "integer", description="Jobs that run now."),
        Column("Last Schedule", description="How long ago a job was last started."),
        AGE,
        Column("Containers", description="Names of the template's containers.", priority=1),
        Column("Images", description="Images of the template's containers.", priority=1),
        Column("Selector", description="Which pods are its jobs' own.", priority=1),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        spec.setdefault("concurrencyPolicy", "Allow")
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", SUCCESSFUL_HISTORY)
        spec.setdefault("failedJobsHistoryLimit", FAILED_HISTORY)
        default_job_spec(spec["jobTemplate"]["spec"])

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        errors = _spec_errors(tree["spec"], None)
        name = tree["metadata"].get("name", "")
        if len(name) > NAME_MAX:
            detail = f"must be no more than {NAME_MAX} characters"
            errors.append(invalid("metadata.name", name, detail))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return _spec_errors(tree["spec"], old["spec"])

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        before = None if old is None else old["spec"]["jobTemplate"]["spec"]["template"]
        path = "spec.jobTemplate.spec.template"
        return changed_template_warnings(
            tree["spec"]["jobTemplate"]["spec"]["template"], before, path
        )

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        job = spec["jobTemplate"]["spec"]
        named, images = containers(job["template"]["spec"])
        last = status.get("lastScheduleTime")
        return (
            tree["metadata"]["name"],
            spec["schedule"],
            spec.get("timeZone") or NONE,
            {None: "<unset>", True: "True", False: "False"}[spec.get("suspend")],
            len(status.get("active", ())),
            age(last, now) if last else NONE,
            created(tree, now),
            named,
            images,
            label_selection(job.get("selector")),
        )


def _spec_errors(spec: Tree, old: Mapping[str, Any] | None) -> list[FieldError]:
    zone = spec.get("timeZone")
    errors = _schedule(spec["schedule"], zone, old)
    errors += non_negative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds")
    if zone is not None and (old is None or old.get("timeZone") != zone):
        errors += _zone(zone)
    policy = spec["concurrencyPolicy"]
    if policy not in POLICIES:
        errors.append(unsupported("spec.concurrencyPolicy", policy, POLICIES))
    errors += _job_template(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors += non_negative(spec.get(field), f"spec.{field}")
    return errors


def _schedule(schedule: str, zone: str | None, old: Mapping[str, Any] | None) -> list[FieldError]:
    path = "spec.schedule"
    if not schedule:
        return [required(path)]
    errors: list[FieldError] = []
    try:
        cron.parse(schedule)
    except ValueError as error:
        errors.append(invalid(path, schedule, str(error)))
    if "TZ" in schedule:
        if old is None or "TZ" not in old["schedule"]:
            detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            errors.append(invalid(path, schedule, detail))
        elif zone is not None:
            detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
            errors.append(invalid(path, schedule, detail))
    return errors


def _zone(zone: str) -> list[FieldError]:
    path = "spec.timeZone"
    if not zone:
        return [invalid(path, zone, "timeZone must be nil or non-empty string")]
    unknown = invalid(path, zone, f"unknown time zone {zone}")
    for part in zone.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part):
            return [unknown]
    if zone.lower() == "local":
        detail = (
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
        return [invalid(path, zone, detail)]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [unknown]
    return []


def _job_template(spec: Tree, path: str) -> list[FieldError]:
    errors = validate_job_spec(spec, path)
    if spec.get("selector") is not None:
        detail = "`selector` will be auto-generated"
        errors.append(invalid(f"{path}.selector", spec["selector"], detail))
    if spec.get("manualSelector"):
        errors.append(unsupported(f"{path}.manualSelector", True, ("nil", "false")))
    return errors
