"""Webhook configurations: defaults, what is refused, what an update of an old one may keep."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.codec.canonical import canonical
from apiserver.registry.admissionregistration.webhooks import (
    MutatingWebhookConfigurationStrategy,
    ValidatingWebhookConfigurationStrategy,
)
from wherry.api.patch import copy_tree

VALIDATING, MUTATING = (
    ValidatingWebhookConfigurationStrategy(),
    MutatingWebhookConfigurationStrategy(),
)
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
SERVICE = {"name": "s", "namespace": "n"}
Tree = dict[str, Any]


def configuration(*hooks: Tree, strategy: Any = VALIDATING) -> Tree:
    model = strategy.resource.model
    tree = canonical(model, {"metadata": {"name": "x"}, "webhooks": list(hooks)})
    strategy.default(tree)
    return tree


def hook(**changes: Any) -> Tree:
    good = {
        "name": "a.example.com",
        "clientConfig": {"url": "https://example.com/x"},
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {**good, **changes}


def said(*hooks: Tree) -> list[str]:
    return [str(error) for error in VALIDATING.validate(configuration(*hooks))]


def test_defaults() -> None:
    (made,) = configuration(hook(clientConfig={"service": SERVICE}), strategy=MUTATING)["webhooks"]
    assert made["failurePolicy"] == "Fail"
    assert made["matchPolicy"] == "Equivalent"
    assert made["namespaceSelector"] == made["objectSelector"] == {}
    assert made["timeoutSeconds"] == 10
    assert made["reinvocationPolicy"] == "Never"
    assert made["rules"][0]["scope"] == "*"
    assert made["clientConfig"]["service"]["port"] == 443


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"name": ""}, "webhooks[0].name: Required value"),
        ({"name": "a.b"}, 'webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots'),
        ({"failurePolicy": "X"}, 'webhooks[0].failurePolicy: Unsupported value: "X": supported values: "Fail", "Ignore"'),
        ({"sideEffects": "Some"}, 'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
        ({"sideEffects": None}, "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"),
        ({"timeoutSeconds": 31}, "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
        ({"clientConfig": {"url": "https://u@h/x"}}, 'webhooks[0].clientConfig.url: Invalid value: "u": user information is not permitted in the URL'),
        ({"clientConfig": {"url": "https://h/x?q"}}, 'webhooks[0].clientConfig.url: Invalid value: "q": query parameters are not permitted in the URL'),
        ({"clientConfig": {"url": "http://h"}}, "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]"),
        ({"clientConfig": {"service": {**SERVICE, "name": ""}}}, "webhooks[0].clientConfig.service.name: Required value: service name is required"),
        ({"clientConfig": {"service": {**SERVICE, "port": 0}}}, "webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"),
        ({"clientConfig": {"service": {**SERVICE, "path": "ab"}}}, "webhooks[0].clientConfig.service.path: Invalid value: \"ab\": must start with a '/'"),
        ({"clientConfig": {"service": {**SERVICE, "path": "/a//b"}}}, 'webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty'),
        ({"admissionReviewVersions": ["v1", "v1"]}, 'webhooks[0].admissionReviewVersions[1]: Invalid value: "v1": duplicate version'),
        ({"admissionReviewVersions": ["v2"]}, 'webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1'),
        ({"matchConditions": [{"name": "a b", "expression": "true"}]}, "webhooks[0].matchConditions[0].name: Invalid value: \"a b\": name part must"),
        ({"matchConditions": [{"name": "a", "expression": " "}]}, "webhooks[0].matchConditions[0].expression: Required value"),
        ({"rules": [{**RULE, "resources": ["*/*", "pods"]}]}, "webhooks[0].rules[0].resources: Invalid value: [\"*/*\",\"pods\"]: if '*/*' is present, must not specify other resources"),
        ({"rules": [{**RULE, "resources": ["pods/*", "pods/log"]}]}, "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*' is present, must not specify pods/log"),
        ({"rules": [{**RULE, "resources": ["*", "pods"]}]}, "webhooks[0].rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify other resources without subresources"),
        ({"rules": [{**RULE, "operations": ["*", "CREATE"]}]}, "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify other operations"),
        ({"rules": [{**RULE, "scope": "X"}]}, 'webhooks[0].rules[0].scope: Unsupported value: "X": supported values: "*", "Cluster", "Namespaced"'),
        ({"namespaceSelector": {"matchLabels": {"a": "b c"}}}, "webhooks[0].namespaceSelector.matchLabels: Invalid value: \"b c\": a valid label"),
    ],
)  # fmt: skip
def test_what_is_wrong(changes: Tree, expected: str | list[str]) -> None:
    found = said(hook(**changes))
    if isinstance(expected, str):
        assert len(found) == 1
        assert found[0].startswith(expected)
    else:
        assert found == expected


def test_names_are_unique() -> None:
    assert said(hook(), hook()) == ['webhooks[1].name: Duplicate value: "a.example.com"']


@pytest.mark.parametrize(
    "old",
    [
        hook(sideEffects="Some"),
        hook(admissionReviewVersions=["v2"]),
        hook(matchConditions=[{"name": "", "expression": ""}]),
    ],
)
def test_an_update_may_keep_what_was_once_allowed(old: Tree) -> None:
    before = configuration(old)
    after = copy_tree(before)
    after["webhooks"][0]["timeoutSeconds"] = 5
    assert VALIDATING.validate(after)
    assert VALIDATING.validate_update(after, before) == []


def test_row() -> None:
    tree = configuration(hook())
    tree["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert VALIDATING.row(tree, now) == ("x", 1, "60s")
