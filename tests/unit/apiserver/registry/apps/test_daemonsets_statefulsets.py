"""DaemonSets and StatefulSets: defaults, refusals, what may change, rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.registry.apps.daemonset import TEMPLATE_GENERATION
from apiserver.registry.apps.workload import number
from apiserver.registry.strategies import STRATEGIES
from wherry.api.apps_v1 import DaemonSet, StatefulSet
from wherry.api.model import TypedModel
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]
Build = Callable[..., Tree]

TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
SPEC: Tree = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
CLAIM = {
    "metadata": {"name": "d"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
MOUNTED = {
    **TEMPLATE,
    "spec": {
        "containers": [
            {"name": "c", "image": "i", "volumeMounts": [{"name": "d", "mountPath": "/d"}]}
        ]
    },
}


def spec(**fields: Any) -> Tree:
    return {"spec": {**SPEC, **fields}}


def rolling(**fields: Any) -> Tree:
    return spec(updateStrategy={"type": "RollingUpdate", "rollingUpdate": fields})


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (DaemonSet, spec(), []),
        (DaemonSet, spec(updateStrategy={"type": "OnDelete"}), []),
        (DaemonSet, rolling(maxUnavailable="50%"), []),
        (DaemonSet, rolling(maxUnavailable=0, maxSurge=1), []),
        (DaemonSet, rolling(maxUnavailable=1, maxSurge=1),
         ["spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"]),
        (DaemonSet, rolling(maxUnavailable=0),
         ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"]),
        (DaemonSet, rolling(maxUnavailable="101%"),
         ['spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%']),
        (DaemonSet, spec(selector={}),
         ["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"]),
        (StatefulSet, spec(), []),
        (StatefulSet, spec(template=MOUNTED, volumeClaimTemplates=[CLAIM]), []),
        (StatefulSet, spec(template=MOUNTED),
         ['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "d"']),
        (StatefulSet, spec(podManagementPolicy="Any"),
         ["spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'"]),
        (StatefulSet, spec(persistentVolumeClaimRetentionPolicy={"whenScaled": "Keep"}),
         ['spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: "Delete", "Retain"']),
        (StatefulSet, rolling(partition=-1),
         ["spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"]),
        (StatefulSet, spec(ordinals={"start": -1}),
         ["spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"]),
        (StatefulSet, spec(updateStrategy={"type": "OnDelete", "rollingUpdate": {"partition": 1}}),
         ["spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy 'RollingUpdate'"]),
        (StatefulSet, spec(volumeClaimTemplates=[{**CLAIM, "spec": {**CLAIM["spec"], "accessModes": []}}]),
         ["spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required"]),
    ],
)  # fmt: skip
def test_what_is_wrong(said: Say, model: type[TypedModel], body: Tree, words: list[str]) -> None:
    assert said(model, body) == words


def test_a_new_template_counts_up_its_generation(build: Build) -> None:
    strategy = STRATEGIES[resource_of(DaemonSet)]
    old = build(DaemonSet, spec())
    assert old["metadata"]["annotations"] == {TEMPLATE_GENERATION: "1"}
    for image, expected in (("i", "1"), ("j", "2")):
        tree = build(DaemonSet, spec())
        tree["spec"]["template"]["spec"]["containers"][0]["image"] = image
        strategy.prepare_for_update(tree, old)
        assert tree["metadata"]["annotations"] == {TEMPLATE_GENERATION: expected}


def test_a_strategy_that_is_named_gets_no_partition(build: Build) -> None:
    """Only what is silent about its strategy gets the whole default. Source: SetDefaults_StatefulSet."""
    silent = build(StatefulSet, spec())["spec"]["updateStrategy"]
    named = build(StatefulSet, spec(updateStrategy={"type": "RollingUpdate"}))
    empty = build(StatefulSet, rolling())
    assert silent == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert named["spec"]["updateStrategy"] == {"type": "RollingUpdate"}
    assert empty["spec"]["updateStrategy"] == silent


def test_a_claim_template_is_shown_whole(build: Build) -> None:
    (claim,) = build(StatefulSet, spec(volumeClaimTemplates=[CLAIM]))["spec"][
        "volumeClaimTemplates"
    ]
    assert list(claim) == ["kind", "apiVersion", "metadata", "spec", "status"]
    assert (claim["spec"]["volumeMode"], claim["status"]) == ("Filesystem", {"phase": "Pending"})


@pytest.mark.parametrize(
    ("model", "field", "value", "allowed"),
    [
        (DaemonSet, "selector", {"matchLabels": {"a": "b", "c": "d"}}, False),
        (DaemonSet, "minReadySeconds", 5, True),
        (StatefulSet, "replicas", 5, True),
        (StatefulSet, "ordinals", {"start": 5}, True),
        (StatefulSet, "revisionHistoryLimit", 5, True),
        (StatefulSet, "serviceName", "other", False),
        (StatefulSet, "podManagementPolicy", "Parallel", False),
        (StatefulSet, "volumeClaimTemplates", [CLAIM | {"status": {}}], False),
    ],
)
def test_what_may_change(
    said_of_change: Say, model: type[TypedModel], field: str, value: Any, allowed: bool
) -> None:
    found = said_of_change(model, spec(), lambda tree: tree["spec"].update({field: value}))
    if model is DaemonSet and not allowed:
        assert any(line.startswith("spec.selector: Invalid value") for line in found)
    elif allowed:
        assert found == []
    else:
        assert found[-1].startswith("spec: Forbidden: updates to statefulset spec for fields other")


def test_statuses_add_up(said_of_change: Say) -> None:
    def too_ready(tree: Tree) -> None:
        tree["status"].update(replicas=1, readyReplicas=2, availableReplicas=2)

    assert said_of_change(StatefulSet, spec(), too_ready, "status") == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas",
    ]
    negative = said_of_change(
        DaemonSet, spec(), lambda tree: tree["status"].update(numberReady=-1), "status"
    )
    words = "Invalid value: -1: must be greater than or equal to 0"
    assert negative == [f"status.numberReady: {words}"]


def test_rows(build: Build) -> None:
    daemons = build(DaemonSet, spec())
    daemons["spec"]["template"]["spec"]["nodeSelector"] = {"k": "v"}
    daemons["status"].update(desiredNumberScheduled=3, numberReady=2)
    row = STRATEGIES[resource_of(DaemonSet)].row(daemons, NOW)
    assert row == ("x", 3, 0, 2, 0, 0, "k=v", "60m", "c", "i", "a=b")
    stateful = build(StatefulSet, spec(replicas=2))
    stateful["status"]["readyReplicas"] = 1
    assert STRATEGIES[resource_of(StatefulSet)].row(stateful, NOW) == ("x", "1/2", "60m", "c", "i")


@pytest.mark.parametrize("text", ["9" * 5000, "²", "-", ""])
def test_numbers_that_are_none(build: Build, text: str) -> None:
    assert number(f"{text}%") == 0
    assert build(DaemonSet, {**spec(), "metadata": {"annotations": {TEMPLATE_GENERATION: text}}})
