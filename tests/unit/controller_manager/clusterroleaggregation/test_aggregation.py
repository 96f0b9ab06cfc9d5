"""Which rules a ClusterRole gathers."""

from __future__ import annotations

from controller_manager.clusterroleaggregation.plan import plan_aggregation
from controller_manager.plan import NOTHING, Patch
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.meta_v1.meta import LabelSelector
from wherry.api.rbac_v1 import AggregationRule, ClusterRole, PolicyRule

PODS = PolicyRule(verbs=["get"], api_groups=[""], resources=["pods"])
JOBS = PolicyRule(verbs=["get"], api_groups=["batch"], resources=["jobs"])
SECRETS = PolicyRule(verbs=["get"], api_groups=[""], resources=["secrets"])


def role(name: str, *rules: PolicyRule, labels: dict[str, str] | None = None) -> ClusterRole:
    return ClusterRole(metadata=ObjectMeta(name=name, labels=labels or {}), rules=list(rules))


def gathering(name: str, *wanted: dict[str, str], rules: tuple[PolicyRule, ...] = (),
              labels: dict[str, str] | None = None) -> ClusterRole:  # fmt: skip
    selectors = [LabelSelector(match_labels=one) for one in wanted]
    made = role(name, *rules, labels=labels)
    return made.with_(aggregation_rule=AggregationRule(cluster_role_selectors=selectors))


def rules_of(plan: object) -> list[dict]:
    (patch,) = plan.actions
    assert isinstance(patch, Patch)
    return patch.patch["rules"]


A, B = {"to": "a"}, {"to": "b"}


def test_rules_come_by_selector_then_by_name_each_once() -> None:
    roles = [
        role("z", JOBS, labels=A), role("y", PODS, labels=A), role("x", SECRETS, PODS, labels=B),
        role("w", SECRETS),
    ]  # fmt: skip
    wanted = gathering("all", A, B)
    found = rules_of(plan_aggregation(wanted, [*roles, wanted]))
    assert found == [one.to_wire() for one in (PODS, JOBS, SECRETS)]


def test_what_was_written_by_hand_is_replaced() -> None:
    wanted = gathering("all", A, rules=(SECRETS,))
    assert rules_of(plan_aggregation(wanted, [])) == []


def test_a_role_does_not_gather_itself() -> None:
    wanted = gathering("all", A, labels=A)
    assert plan_aggregation(wanted, [wanted]) == NOTHING


def test_nothing_is_done_twice_or_for_plain_roles() -> None:
    assert plan_aggregation(None, []) == NOTHING
    assert plan_aggregation(role("plain", PODS), []) == NOTHING
    done = gathering("all", A, rules=(PODS,))
    assert plan_aggregation(done, [role("y", PODS, labels=A)]) == NOTHING
