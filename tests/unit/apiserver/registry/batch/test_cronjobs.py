"""CronJobs: defaults, schedules, zones, rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES
from wherry.api.batch_v1 import CronJob
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]
Build = Callable[..., Tree]

POD: Tree = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
JOB: Tree = {"template": {"spec": POD}}


def spec(**fields: Any) -> Tree:
    return {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}, **fields}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (spec(), []),
        (spec(schedule="@hourly", timeZone="Europe/Vienna"), []),
        (spec(schedule=""), ["spec.schedule: Required value"]),
        (spec(schedule="x"), ['spec.schedule: Invalid value: "x": expected exactly 5 fields, found 1: [x]']),
        (spec(schedule="TZ=UTC * * * * *"),
         ['spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead']),
        (spec(timeZone="Local"),
         ['spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones']),
        (spec(timeZone="Nowhere/Land"), ['spec.timeZone: Invalid value: "Nowhere/Land": unknown time zone Nowhere/Land']),
        (spec(timeZone="../etc"), ['spec.timeZone: Invalid value: "../etc": unknown time zone ../etc']),
        (spec(concurrencyPolicy="Maybe"),
         ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"']),
        (spec(failedJobsHistoryLimit=-1),
         ["spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"]),
        (spec(jobTemplate={"spec": {**JOB, "manualSelector": True}}),
         ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"']),
        ({"metadata": {"name": "n" * 53}, **spec()},
         [f'metadata.name: Invalid value: "{"n" * 53}": must be no more than 52 characters']),
    ],
)  # fmt: skip
def test_what_is_wrong(said: Say, body: Tree, words: list[str]) -> None:
    assert said(CronJob, body) == words


def test_defaults(build: Build) -> None:
    found = build(CronJob, spec())["spec"]
    assert {key: found[key] for key in (
        "concurrencyPolicy", "suspend", "successfulJobsHistoryLimit", "failedJobsHistoryLimit",
    )} == {
        "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    }  # fmt: skip
    assert "parallelism" not in found["jobTemplate"]["spec"]


def test_a_long_name_may_stay(said_of_change: Say) -> None:
    body = {"metadata": {"name": "n" * 60}, **spec()}
    assert said_of_change(CronJob, body, lambda tree: tree["spec"].update(suspend=True)) == []


def test_row(build: Build) -> None:
    tree = build(CronJob, spec(timeZone="Etc/UTC"))
    tree["status"] = {"active": [{}], "lastScheduleTime": "2026-01-01T00:59:00Z"}
    assert STRATEGIES[resource_of(CronJob)].row(tree, NOW) == (
        "x", "* * * * *", "Etc/UTC", "False", 1, "60s", "60m", "c", "i", "<none>",
    )  # fmt: skip
