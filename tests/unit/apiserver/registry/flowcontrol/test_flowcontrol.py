"""FlowSchemas and priority levels: defaults, what is refused, rows, the objects of the start."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apiserver import system_objects
from apiserver.codec.canonical import canonical
from apiserver.registry.flowcontrol.flowschema import FlowSchemaStrategy
from apiserver.registry.flowcontrol.prioritylevelconfiguration import (
    PriorityLevelConfigurationStrategy,
)
from apiserver.registry.strategy import Strategy
from wherry.api.patch import copy_tree

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOOTSTRAP = Path(__file__).parents[6] / "shared" / "upstream" / "bootstrap.jsonl"
SCHEMAS, LEVELS = FlowSchemaStrategy(), PriorityLevelConfigurationStrategy()
Tree = dict[str, Any]


def made(strategy: Strategy, spec: Tree, name: str = "x") -> Tree:
    tree = canonical(strategy.resource.model, {"metadata": {"name": name}, "spec": spec})
    strategy.default(tree)
    strategy.prepare_for_create(tree)
    return tree


def said(strategy: Strategy, spec: Tree, name: str = "x") -> list[str]:
    return [str(error) for error in strategy.validate(made(strategy, spec, name))]


def schema(rule: Tree | None = None, **spec: Any) -> Tree:
    rules = {"rules": [rule]} if rule is not None else {}
    return {"priorityLevelConfiguration": {"name": "level"}, **rules, **spec}


USER = {"kind": "User", "user": {"name": "u"}}
PATHS = {"verbs": ["get"], "nonResourceURLs": ["/x"]}
PODS = {"verbs": ["*"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}


def test_defaults() -> None:
    assert made(SCHEMAS, schema())["spec"]["matchingPrecedence"] == 1000
    limited = {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}
    assert made(LEVELS, limited)["spec"]["limited"] == {
        "nominalConcurrencyShares": 30,
        "limitResponse": {
            "type": "Queue",
            "queuing": {"queues": 64, "handSize": 8, "queueLengthLimit": 50},
        },
        "lendablePercent": 0,
    }
    exempt = made(LEVELS, {"type": "Exempt"}, "exempt")["spec"]
    assert exempt["exempt"] == {"nominalConcurrencyShares": 0, "lendablePercent": 0}


@pytest.mark.parametrize("name", system_objects.flowcontrol.FLOW_SCHEMAS)
def test_the_schemas_of_the_start_are_good(name: str) -> None:
    assert said(SCHEMAS, system_objects.flowcontrol.FLOW_SCHEMAS[name], name) == []


@pytest.mark.parametrize("name", system_objects.flowcontrol.PRIORITY_LEVELS)
def test_the_levels_of_the_start_are_good(name: str) -> None:
    assert said(LEVELS, system_objects.flowcontrol.PRIORITY_LEVELS[name], name) == []


@pytest.mark.skipif(not BOOTSTRAP.exists(), reason="no recorded facts beside the project")
def test_the_objects_of_the_start_are_upstreams() -> None:
    recorded = {}
    for line in BOOTSTRAP.read_text().splitlines():
        tree = json.loads(line)
        if tree["apiVersion"].startswith("flowcontrol"):
            recorded[tree["kind"], tree["metadata"]["name"]] = tree
    made_here = system_objects.flow_schemas() + system_objects.priority_levels()
    assert {(one["kind"], one["metadata"]["name"]) for one in made_here} == set(recorded)
    for one in made_here:
        upstream = recorded[one["kind"], one["metadata"]["name"]]
        assert one["spec"] == upstream["spec"]
        assert one["metadata"] == upstream["metadata"]
        if one["kind"] == "FlowSchema":
            status = system_objects.level_found(one, NOW)
            (condition,) = upstream["status"]["conditions"]
            condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
            assert status == {"conditions": [condition]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (schema(matchingPrecedence=-1), ["spec.matchingPrecedence: Invalid value: -1: must be a positive value"]),
        (schema(matchingPrecedence=10001), ["spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000"]),
        (schema(matchingPrecedence=1), ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"]),
        ({}, ["spec.priorityLevelConfiguration.name: Required value: must reference a priority level"]),
        (schema({"subjects": [], "nonResourceRules": [PATHS]}), ["spec.rules[0].subjects: Required value: subjects must contain at least one value"]),
        (schema({"subjects": [USER]}), ["spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty"]),
        (schema({"subjects": [{"kind": "X"}], "nonResourceRules": [PATHS]}), ['spec.rules[0].subjects[0].kind: Unsupported value: "X": supported values: "Group", "ServiceAccount", "User"']),
        (schema({"subjects": [{"kind": "Group", "user": {"name": "u"}}], "nonResourceRules": [PATHS]}), ["spec.rules[0].subjects[0].group: Required value: group is required when subject kind is 'Group'", "spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'"]),
        (schema({"subjects": [USER], "nonResourceRules": [{**PATHS, "verbs": ["dance"]}]}), ['spec.rules[0].nonResourceRules[0].verbs: Unsupported value: ["dance"]: supported values: "*", "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"']),
        (schema({"subjects": [USER], "nonResourceRules": [{**PATHS, "nonResourceURLs": ["x"]}]}), ['spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "x": must start with slash']),
        (schema({"subjects": [USER], "nonResourceRules": [{**PATHS, "nonResourceURLs": ["/x*"]}]}), ['spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/x*": wildcard can only do suffix matching']),
        (schema({"subjects": [USER], "resourceRules": [{**PODS, "namespaces": []}]}), ["spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace"]),
        (schema({"subjects": [USER], "resourceRules": [{**PODS, "resources": ["*", "pods"]}]}), ['spec.rules[0].resourceRules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources']),
        (schema({"subjects": [USER], "resourceRules": [PODS]}), []),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_schema(spec: Tree, expected: list[str]) -> None:
    assert said(SCHEMAS, spec) == expected


def level(**limited: Any) -> Tree:
    return {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}, **limited}}


def queue(**queuing: int) -> Tree:
    return level(limitResponse={"type": "Queue", "queuing": queuing})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (level(), []),
        (level(nominalConcurrencyShares=-1), ["spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer"]),
        (level(lendablePercent=101), ["spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"]),
        (level(borrowingLimitPercent=-1), ["spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer"]),
        ({"type": "Limited"}, ["spec.limited: Required value: must not be empty when type is Limited"]),
        ({**level(), "exempt": {}}, ["spec.exempt: Forbidden: must be nil if the type is Limited"]),
        ({"type": "Exempt"}, ["spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"]),
        (level(limitResponse={"type": "Queue"}), ["spec.limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is Limited"]),
        (queue(queues=4, handSize=5), ["spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than queues (4)"]),
        (queue(queues=512, handSize=8), ["spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 512 and handSize 8 should not be greater than 60"]),
        (queue(queueLengthLimit=-1), ["spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_level(spec: Tree, expected: list[str]) -> None:
    assert said(LEVELS, spec) == expected


def test_fixed_specs_stay_but_the_shares_of_exempt() -> None:
    fixed = copy_tree(system_objects.flowcontrol.FIXED_PRIORITY_LEVELS["exempt"])
    fixed["exempt"]["nominalConcurrencyShares"] = 7
    assert said(LEVELS, fixed, "exempt") == []
    assert "must equal the fixed value" in said(LEVELS, level(), "catch-all")[0]
    assert "must equal the fixed value" in said(SCHEMAS, schema(), "catch-all")[0]


def test_conditions_of_a_status() -> None:
    tree = made(SCHEMAS, schema())
    tree["status"] = {"conditions": [{"type": "A"}, {"type": "A"}, {}]}
    assert [error.field for error in SCHEMAS.validate_status_update(tree, tree)] == [
        "status.conditions[1].type",
        "status.conditions[2].type",
    ]


def test_a_status_update_changes_the_status_only() -> None:
    old = made(SCHEMAS, schema())
    new = copy_tree(old)
    new["spec"]["matchingPrecedence"] = 5
    new["metadata"]["labels"] = {"a": "b"}
    new["status"] = {"conditions": [{"type": "A"}]}
    SCHEMAS.prepare_for_status_update(new, old)
    assert new == {**old, "status": {"conditions": [{"type": "A"}]}}


def test_rows() -> None:
    tree = made(SCHEMAS, schema(distinguisherMethod={"type": "ByUser"}))
    tree["metadata"]["creationTimestamp"] = "2025-12-31T23:59:00Z"
    assert SCHEMAS.row(tree, NOW) == ("x", "level", 1000, "ByUser", "60s", "?")
    tree = made(LEVELS, queue())
    tree["metadata"]["creationTimestamp"] = "2025-12-31T23:59:00Z"
    assert LEVELS.row(tree, NOW) == ("x", "Limited", 30, 64, 8, 50, "60s")
