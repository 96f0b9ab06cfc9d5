"""A container's own restart policy and rules, as upstream 1.36 takes and refuses them."""

import pytest

from apiserver.registry.validation.restart_rules import validate_restart_policy


def rule(action="Restart", operator="In", values=(3,)):
    return {"action": action, "exitCodes": {"operator": operator, "values": list(values)}}


def said(*rules, policy="Never"):
    container = {"restartPolicyRules": list(rules)}
    if policy is not None:
        container["restartPolicy"] = policy
    return [f"{e.field}: {e.message}" for e in validate_restart_policy(container, "c")]


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_accepted(policy):
    assert said(rule(), rule("RestartAllContainers", "NotIn", [0]), policy=policy) == []
    assert said(policy=None) == []


@pytest.mark.parametrize(
    ("rules", "policy", "words"),
    [
        ([rule()], None,
         "c.restartPolicy: Required value: must specify restartPolicy when restart rules are used"),
        ([rule("DoNotRestart")], "Never",
         'c.restartPolicyRules[0].action: Unsupported value: "DoNotRestart": '
         'supported values: "Restart", "RestartAllContainers"'),
        ([rule(operator="Equals")], "Never",
         'c.restartPolicyRules[0].exitCodes.operator: Unsupported value: "Equals": '
         'supported values: "In", "NotIn"'),
        ([{"action": "Restart"}], "Never",
         "c.restartPolicyRules[0].exitCodes: Required value: must be specified"),
        ([rule()] * 21, "Never",
         "c.restartPolicyRules: Too many: 21: must have at most 20 items"),
        ([rule(values=range(256))], "Never",
         "c.restartPolicyRules[0].exitCodes.values: Too many: 256: must have at most 255 items"),
    ],
)  # fmt: skip
def test_refused(rules, policy, words):
    assert said(*rules, policy=policy) == [words]
