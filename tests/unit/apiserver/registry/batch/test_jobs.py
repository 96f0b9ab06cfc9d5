"""Jobs: defaults, selectors, policies, what may change, statuses, rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES
from apiserver.registry.validation.job_policies import count_indexes
from wherry.api.batch_v1 import Job
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]
Build = Callable[..., Tree]

POD: Tree = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
SPEC: Tree = {"template": {"spec": POD}}
INDEXED = {"completionMode": "Indexed", "completions": 3}


def spec(**fields: Any) -> Tree:
    return {"metadata": {"uid": "u1"}, "spec": {**SPEC, **fields}}


def rule(**fields: Any) -> Tree:
    return spec(podFailurePolicy={"rules": [{"action": "FailJob", **fields}]})


def success(**fields: Any) -> Tree:
    return spec(**INDEXED, successPolicy={"rules": [fields]})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"completions": 1, "parallelism": 1, "backoffLimit": 6,
              "completionMode": "NonIndexed", "suspend": False, "manualSelector": False,
              "podReplacementPolicy": "TerminatingOrFailed"}),
        ({"parallelism": 2}, {"parallelism": 2, "completions": None}),
        ({**INDEXED, "backoffLimitPerIndex": 1}, {"backoffLimit": 2**31 - 1}),
        ({"podFailurePolicy": {"rules": []}}, {"podReplacementPolicy": "Failed"}),
    ],
    ids=["nothing said", "a work queue", "back-off by index", "failure policy"],
)  # fmt: skip
def test_defaults(build: Build, fields: Tree, expected: Tree) -> None:
    found = build(Job, spec(**fields))["spec"]
    assert {key: found.get(key) for key in expected} == expected


def test_a_job_selects_its_own_pods(build: Build) -> None:
    job = build(Job, spec())
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u1"}}
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels == job["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": "u1",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u1",
        "job-name": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (spec(), []),
        (spec(**INDEXED), []),
        (spec(completionMode="Indexed", parallelism=1),
         ["spec.completions: Required value: when completion mode is Indexed"]),
        (spec(**INDEXED, maxFailedIndexes=1),
         ["spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"]),
        (spec(backoffLimitPerIndex=1),
         ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"]),
        (spec(managedBy="me"),
         ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")']),
        (spec(template={"spec": {**POD, "restartPolicy": "Always"}}),
         ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"']),
        (spec(selector={"matchLabels": {"batch.kubernetes.io/controller-uid": "other"}}),
         ['spec.selector: Invalid value: {"matchLabels":{"batch.kubernetes.io/controller-uid":"other"}}: `selector` not auto-generated',
          'spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"u1","batch.kubernetes.io/job-name":"x","controller-uid":"u1","job-name":"x"}: `selector` does not match template `labels`']),
        (spec(manualSelector=True), ["spec.selector: Required value",
          'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`']),
        (rule(onExitCodes={"operator": "In", "values": [1, 2]}), []),
        (rule(onExitCodes={"operator": "In", "values": [0]}),
         ["spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"]),
        (rule(onExitCodes={"operator": "NotIn", "values": [2, 1]}),
         ["spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1]: must be ordered"]),
        (rule(onExitCodes={"operator": "In", "values": [1, 1]}),
         ["spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Duplicate value: 1"]),
        (rule(onExitCodes={"operator": "In", "values": [1], "containerName": "d"}),
         ['spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "d": must be one of the container or initContainer names in the pod template']),
        (rule(), ["spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"]),
        (rule(action="FailIndex", onPodConditions=[{"type": "DisruptionTarget"}]),
         ['spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set']),
        (success(succeededIndexes="0,2"), []),
        (success(), ["spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified"]),
        (success(succeededCount=4), ["spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)"]),
        (success(succeededIndexes="3"), ['spec.successPolicy.rules[0].succeededIndexes: Invalid value: "3": error parsing succeededIndexes: too large index: "3"']),
    ],
)  # fmt: skip
def test_what_is_wrong(said: Say, body: Tree, words: list[str]) -> None:
    assert said(Job, body) == words


@pytest.mark.parametrize(
    ("text", "total"),
    [("", 0), ("0", 1), ("0-2,4", 4)],
)
def test_indexes(text: str, total: int) -> None:
    assert count_indexes(text, 5) == total


@pytest.mark.parametrize("text", ["2,1", "1-1", "3-2", "1-2-3", "a", "5", "1,1", ","])
def test_indexes_that_make_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        count_indexes(text, 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parallelism": 9, "suspend": True}, ""),
        ({"completions": 9}, "spec.completions: Invalid value: 9: field is immutable"),
        ({"completionMode": "Indexed"}, 'spec.completionMode: Invalid value: "Indexed": field is immutable'),
        ({"managedBy": "a.b/c"}, 'spec.managedBy: Invalid value: "a.b/c": field is immutable'),
    ],
    ids=["counts of pods", "completions", "mode", "manager"],
)  # fmt: skip
def test_what_may_change(said_of_change: Say, change: Tree, words: str) -> None:
    found = said_of_change(Job, spec(), lambda tree: tree["spec"].update(change))
    assert found == ([words] if words else [])


def test_indexed_jobs_stretch(said_of_change: Say) -> None:
    def change(tree: Tree) -> None:
        tree["spec"].update(completions=5, parallelism=5)

    assert said_of_change(Job, spec(**INDEXED, parallelism=3), change) == []
    alone = said_of_change(Job, spec(**INDEXED), lambda tree: tree["spec"].update(completions=5))
    assert alone == [
        "spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism"
    ]


@pytest.mark.parametrize(("suspended", "allowed"), [(True, True), (False, False)])
def test_suspended_jobs_may_be_steered(said_of_change: Say, suspended: bool, allowed: bool) -> None:
    def steer(tree: Tree) -> None:
        template = tree["spec"]["template"]
        template["metadata"]["annotations"] = {"a": "b"}
        template["spec"]["nodeSelector"] = {"k": "v"}
        template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}

    found = said_of_change(Job, spec(suspend=suspended), steer)
    assert (found == []) is allowed


def test_no_more_than_scheduling_may_be_steered(said_of_change: Say) -> None:
    def change(tree: Tree) -> None:
        tree["spec"]["template"]["spec"]["containers"][0]["image"] = "j"

    (line,) = said_of_change(Job, spec(suspend=True), change)
    assert line.startswith("spec.template: Invalid value")


def condition(*types: str) -> list[Tree]:
    return [{"type": one, "status": "True"} for one in types]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"active": 1, "startTime": "2026-01-01T00:00:00Z"}, []),
        ({"active": -1}, ["status.active: Invalid value: -1: must be greater than or equal to 0"]),
        ({"conditions": condition("SuccessCriteriaMet", "Complete"),
          "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z"}, []),
        ({"conditions": condition("SuccessCriteriaMet", "Complete"),
          "startTime": "2026-01-01T00:00:00Z"},
         ["status.completionTime: Required value: completionTime is required for Complete jobs"]),
        ({"conditions": condition("Failed"), "startTime": "2026-01-01T00:00:00Z"},
         ["status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"]),
        ({"conditions": condition("FailureTarget", "Failed"), "active": 1,
          "startTime": "2026-01-01T00:00:00Z"},
         ["status.active: Invalid value: 1: active>0 is invalid for finished job"]),
        ({"completedIndexes": "1"},
         ['status.completedIndexes: Invalid value: "1": cannot set non-empty completedIndexes when non-indexed completion mode',
          'status.completedIndexes: Invalid value: "1": error parsing completedIndexes: too large index: "1"']),
        ({"ready": 1}, ["status.ready: Invalid value: 1: cannot set more ready pods than active"]),
    ],
)  # fmt: skip
def test_statuses(said_of_change: Say, status: Tree, words: list[str]) -> None:
    found = said_of_change(Job, spec(), lambda tree: tree["status"].update(status), "status")
    assert found == words


def test_what_never_goes_back(said_of_change: Say) -> None:
    def before(tree: Tree) -> None:
        tree["status"] = {"failed": 2, "conditions": condition("FailureTarget")}

    def change(tree: Tree) -> None:
        tree["status"] = {"failed": 1}

    assert said_of_change(Job, spec(), change, "status", before) == [
        "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition",
        "status.failed: Invalid value: 1: cannot decrease the failed counter",
    ]


@pytest.mark.parametrize(
    ("status", "state", "completions", "duration"),
    [
        ({}, "Running", "0/1", ""),
        ({"startTime": "2026-01-01T00:30:00Z"}, "Running", "0/1", "30m"),
        ({"startTime": "2026-01-01T00:30:00Z", "completionTime": "2026-01-01T00:30:05Z",
          "succeeded": 1, "conditions": condition("Complete")}, "Complete", "1/1", "5s"),
        ({"conditions": condition("FailureTarget", "Failed")}, "Failed", "0/1", ""),
        ({"conditions": condition("Suspended")}, "Suspended", "0/1", ""),
    ],
    ids=["new", "running", "complete", "failed", "suspended"],
)  # fmt: skip
def test_rows(build: Build, status: Tree, state: str, completions: str, duration: str) -> None:
    job = build(Job, spec())
    job["status"] = status
    strategy = STRATEGIES[resource_of(Job)]
    row = strategy.row(job, NOW)
    assert row[:5] == ("x", state, completions, duration, "60m")
    assert row[7] == "batch.kubernetes.io/controller-uid=u1"
    assert strategy.selectable_fields(job) == {"status.successful": str(status.get("succeeded", 0))}
