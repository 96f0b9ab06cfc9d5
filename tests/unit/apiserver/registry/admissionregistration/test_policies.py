"""Admission policies and their bindings: defaults, what is refused, rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.codec.canonical import canonical
from apiserver.registry.admissionregistration.bindings import (
    MutatingAdmissionPolicyBindingStrategy,
    ValidatingAdmissionPolicyBindingStrategy,
)
from apiserver.registry.admissionregistration.policies import (
    MutatingAdmissionPolicyStrategy,
    ValidatingAdmissionPolicyStrategy,
)
from apiserver.registry.strategy import Strategy

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
VALIDATING, MUTATING = ValidatingAdmissionPolicyStrategy(), MutatingAdmissionPolicyStrategy()
BINDING, MUTATING_BINDING = (
    ValidatingAdmissionPolicyBindingStrategy(),
    MutatingAdmissionPolicyBindingStrategy(),
)
NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
Tree = dict[str, Any]


def made(strategy: Strategy, spec: Tree) -> Tree:
    metadata = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}
    tree = canonical(strategy.resource.model, {"metadata": metadata, "spec": spec})
    strategy.default(tree)
    return tree


def check(strategy: Strategy, spec: Tree, expected: str) -> None:
    found = [str(error) for error in strategy.validate(made(strategy, spec))]
    if not expected:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(expected)


def validating(**changes: Any) -> Tree:
    good = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]}
    return {**good, **changes}


def mutating(**changes: Any) -> Tree:
    good = {
        "matchConstraints": {"resourceRules": [RULE]},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}],
        "reinvocationPolicy": "Never",
    }
    return {**good, **changes}


def test_defaults() -> None:
    spec = made(VALIDATING, validating())["spec"]
    assert spec["failurePolicy"] == "Fail"
    match = spec["matchConstraints"]
    assert (match["matchPolicy"], match["namespaceSelector"]) == ("Equivalent", {})
    assert match["resourceRules"][0]["scope"] == "*"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"matchConstraints": None}, "spec.matchConstraints: Required value"),
        ({"failurePolicy": "X"}, 'spec.failurePolicy: Unsupported value: "X"'),
        ({"paramKind": {"apiVersion": "a/b/c", "kind": "K"}}, 'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'),
        ({"paramKind": {"apiVersion": "v1", "kind": "K_"}}, 'spec.paramKind.kind: Invalid value: "K_": may have mixed case, but should otherwise match: a DNS-1035 label'),
        ({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}, ""),
        ({"variables": [{"name": "in", "expression": "1"}]}, 'spec.variables[0].name: Invalid value: "in": name is not a valid CEL identifier'),
        ({"variables": [{"name": "a", "expression": ""}]}, "spec.variables[0].expression: Required value: expression is not specified"),
        ({"validations": [{"expression": "true", "message": "a\nb"}]}, 'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks'),
        ({"validations": [{"expression": "true", "messageExpression": " "}]}, 'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified'),
        ({"validations": [{"expression": "Not Valid!"}]}, 'spec.validations[0].expression: Invalid value: "Not Valid!": compilation failed: ERROR: <input>:1:5: Syntax error'),
        ({"validations": [{"expression": "params.x == variables.y"}]}, "spec.validations[0].expression: Invalid value: \"params.x == variables.y\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params'"),
        ({"validations": [{"expression": "true", "messageExpression": "1"}]}, 'spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string'),
        ({"matchConditions": [{"name": "a", "expression": "variables.a"}]}, 'spec.matchConditions[0].expression: Invalid value: "variables.a": compilation failed'),
        ({"validations": [{"expression": "true", "reason": "X"}]}, 'spec.validations[0].reason: Unsupported value: "X": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"'),
        ({"auditAnnotations": [{"key": "k", "valueExpression": "'a'"}, {"key": "k", "valueExpression": "'a'"}]}, 'spec.auditAnnotations[1].key: Duplicate value: "k"'),
        ({"auditAnnotations": [{"key": "k", "valueExpression": "x" * 5121}]}, "spec.auditAnnotations[0].valueExpression: Required value: must not exceed 5120 bytes in length"),
        ({"matchConstraints": {"resourceRules": [{**RULE, "resourceNames": ["a", "a"]}]}}, 'spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: "a"'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_validating_policy(changes: Tree, expected: str) -> None:
    check(VALIDATING, validating(**changes), expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"mutations": []}, "spec.mutations: Required value: mutations must contain at least one item"),
        ({"reinvocationPolicy": ""}, "spec.reinvocationPolicy: Required value"),
        ({"reinvocationPolicy": "X"}, 'spec.reinvocationPolicy: Unsupported value: "X": supported values: "IfNeeded", "Never"'),
        ({"mutations": [{}]}, "spec.mutations[0].patchType: Required value"),
        ({"mutations": [{"patchType": "X"}]}, 'spec.mutations[0].patchType: Unsupported value: "X": supported values: "ApplyConfiguration", "JSONPatch"'),
        ({"mutations": [{"patchType": "JSONPatch"}]}, "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"),
        ({"mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {}}]}, "spec.mutations[0].applyConfiguration.expression: Required value: expression is not specified"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_mutating_policy(changes: Tree, expected: str) -> None:
    check(MUTATING, mutating(**changes), expected)


REF = {"name": "p", "parameterNotFoundAction": "Deny"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"policyName": ""}, "spec.policyName: Required value"),
        ({"validationActions": []}, "spec.validationActions: Required value: at least one validation action is required"),
        ({"validationActions": ["Deny", "Warn"]}, 'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn'),
        ({"validationActions": ["X"]}, 'spec.validationActions[0]: Unsupported value: "X": supported values: "Audit", "Deny", "Warn"'),
        ({"paramRef": REF}, ""),
        ({"paramRef": {"name": "p"}}, "spec.paramRef.parameterNotFoundAction: Required value"),
        ({"paramRef": {"parameterNotFoundAction": "Allow"}}, "spec.paramRef: Required value: one of name or selector must be specified"),
        ({"matchResources": {"matchPolicy": "X"}}, 'spec.matchResources.matchPolicy: Unsupported value: "X"'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_binding(changes: Tree, expected: str) -> None:
    check(BINDING, {"policyName": "p", "validationActions": ["Deny"], **changes}, expected)


def test_an_update_does_not_look_at_unchanged_match_conditions() -> None:
    tree = made(VALIDATING, validating(matchConditions=[{"name": "", "expression": ""}]))
    assert VALIDATING.validate(tree)
    assert VALIDATING.validate_update(tree, tree) == []


def test_rows() -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert VALIDATING.row(made(VALIDATING, validating(paramKind=kind)), NOW) == ("x", 1, "v1/ConfigMap", "60s")  # fmt: skip
    assert MUTATING.row(made(MUTATING, mutating()), NOW) == ("x", 1, "<unset>", "60s")
    bound = made(MUTATING_BINDING, {"policyName": "p", "paramRef": {**REF, "namespace": "n"}})
    assert MUTATING_BINDING.row(bound, NOW) == ("x", "p", "n/p", "60s")
