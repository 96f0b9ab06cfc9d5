"""Tokens that nobody uses are marked, and deleted a period later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller_manager.legacytokens.plan import (
    INVALID_SINCE,
    LAST_USED,
    is_tracked_long_enough,
    plan_token,
    unused,
)
from controller_manager.plan import Delete, Patch
from wherry.api.core_v1 import Pod, Secret, ServiceAccount

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PERIOD = timedelta(days=10)


def secret(created="2026-01-01T00:00:00Z", account="default", uid="a1", **labels):
    return Secret.from_wire(
        {
            "metadata": {
                "name": "default-token-x", "namespace": "ns", "uid": "s1", "resourceVersion": "7",
                "creationTimestamp": created, "labels": labels,
                "annotations": {
                    "kubernetes.io/service-account.name": account,
                    "kubernetes.io/service-account.uid": uid,
                },
            },
            "type": "kubernetes.io/service-account-token",
        }
    )  # fmt: skip


def accounts(*names):
    metadata = {"name": "default", "namespace": "ns", "uid": "a1"}
    tree = {"metadata": metadata, "secrets": [{"name": name} for name in names]}
    return {("ns", "default"): ServiceAccount.from_wire(tree)}


LISTED = accounts("default-token-x")


@pytest.mark.parametrize(
    ("one", "known", "found"),
    [
        pytest.param(secret(), LISTED, True, id="never used"),
        pytest.param(secret(**{LAST_USED: "2026-11-10"}), LISTED, True, id="used long ago"),
        pytest.param(secret(**{LAST_USED: "2026-11-11"}), LISTED, False, id="used"),
        pytest.param(secret(**{LAST_USED: "soon"}), LISTED, False, id="who knows"),
        pytest.param(secret(created="2026-11-12T00:00:00Z"), LISTED, False, id="young"),
        pytest.param(secret(), accounts(), False, id="made by a person"),
        pytest.param(secret(uid="a0"), LISTED, False, id="of an earlier account"),
        pytest.param(secret(account="other"), LISTED, False, id="of nobody"),
    ],
)
def test_unused(one, known, found):
    assert bool(unused([one], known, PERIOD, NOW)) is found


def test_marked_then_deleted():
    assert plan_token(secret(), [], PERIOD, NOW) == Patch(
        Secret, "ns", "default-token-x",
        {"metadata": {"uid": "s1", "labels": {INVALID_SINCE: "2026-11-21"}}}, "merge",
    )  # fmt: skip
    assert plan_token(secret(**{INVALID_SINCE: "2026-11-11"}), [], PERIOD, NOW) is None
    assert isinstance(plan_token(secret(**{INVALID_SINCE: "no day"}), [], PERIOD, NOW), Patch)
    gone = plan_token(secret(**{INVALID_SINCE: "2026-11-10"}), [], PERIOD, NOW)
    assert gone == Delete(Secret, "ns", "default-token-x", "s1", resource_version="7")


@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"name": "t", "secret": {"secretName": "default-token-x"}}]},
        {"imagePullSecrets": [{"name": "default-token-x"}]},
        {
            "containers": [
                {"name": "c", "envFrom": [{"secretRef": {"name": "default-token-x"}}]},
            ]
        },
    ],
)  # fmt: skip
def test_what_a_pod_names_stays(spec):
    pod = Pod.from_wire({"metadata": {"name": "p", "namespace": "ns"}, "spec": spec})
    assert plan_token(secret(), [pod], PERIOD, NOW) is None


@pytest.mark.parametrize(
    ("since", "enough"),
    [("2026-11-10", True), ("2026-11-11", False), ("", False), ("2026-13-01", False)],
)
def test_uses_must_have_been_noted_for_long_enough(since, enough):
    assert is_tracked_long_enough(since, PERIOD, NOW) is enough
