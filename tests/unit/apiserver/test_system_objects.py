"""The objects an API server makes by itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apiserver import system_objects
from apiserver.registry.flowcontrol.bootstrap import AUTOUPDATE
from apiserver.system_objects import Identity, live_addresses

UPSTREAM = Path(__file__).parents[4] / "shared" / "upstream" / "bootstrap.jsonl"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def identity(address: str = "10.0.0.1", port: int = 6443) -> Identity:
    return Identity("host", address, port, "host_1")


def test_live_servers_are_those_that_renewed_lately() -> None:
    here = system_objects.lease(identity(), NOW)
    there = system_objects.lease(identity("10.0.0.2"), NOW - timedelta(seconds=20))
    dead = system_objects.lease(identity("10.0.0.3"), NOW - timedelta(seconds=60))
    alone = system_objects.lease(identity(""), NOW)
    foreign: dict[str, Any] = {"metadata": {"name": "kube-scheduler"}, "spec": {}}
    found = live_addresses([there, foreign, dead, alone, here], NOW)
    assert found == ["10.0.0.1", "10.0.0.2"]


def test_lease_names_differ_by_server() -> None:
    names = {identity().lease_name, identity(port=1).lease_name, identity("10.0.0.2").lease_name}
    assert len(names) == 3
    assert all(name.startswith("apiserver-") and len(name) == 36 for name in names)


def test_without_addresses_the_endpoints_are_empty() -> None:
    assert "subsets" not in system_objects.endpoints([], 6443)
    assert system_objects.endpoint_slice([], 6443)["endpoints"] == []


@pytest.mark.skipif(not UPSTREAM.exists(), reason="upstream's facts are not here")
def test_namespaces_and_classes_are_upstreams() -> None:
    upstream = {
        (one["kind"], one["metadata"]["name"]): one
        for one in map(json.loads, UPSTREAM.read_text().splitlines())
    }
    names = {name for kind, name in upstream if kind == "Namespace"}
    assert {tree["metadata"]["name"] for tree in system_objects.namespaces()} == names
    for tree in system_objects.priority_classes():
        want = upstream["PriorityClass", tree["metadata"]["name"]]
        assert {**tree, "preemptionPolicy": "PreemptLowerPriority"} == want
    service = upstream["Service", "kubernetes"]
    ours = system_objects.kubernetes_service("10.96.0.1", 26443)
    assert ours["metadata"] == service["metadata"]
    assert ours["spec"].items() <= service["spec"].items()


def level(name: str, annotation: str | None = "true", **metadata: Any) -> dict[str, Any]:
    """One of the default priority levels as somebody may have changed it."""
    found = next(one for one in system_objects.priority_levels() if one["metadata"]["name"] == name)
    found["metadata"] |= {"generation": 2, **metadata}
    if annotation is None:
        del found["metadata"]["annotations"]
    else:
        found["metadata"]["annotations"][AUTOUPDATE] = annotation
    return found


def default(name: str) -> dict[str, Any]:
    return level(name, generation=1)


def test_default_levels_that_follow_are_kept_at_their_specs() -> None:
    found, wanted = level("workload-low"), default("workload-low")
    assert not system_objects.is_outdated(found, wanted)
    found["spec"]["limited"]["lendablePercent"] = 1
    assert system_objects.is_outdated(found, wanted)
    system_objects.bring_up_to_date(found, wanted)
    assert found["spec"] == wanted["spec"]
    assert not system_objects.is_outdated(found, wanted)


@pytest.mark.parametrize(
    ("annotation", "generation", "kept"),
    [("false", 2, True), (None, 2, True), ("nonsense", 2, True), (None, 1, False), ("T", 3, False)],
)
def test_what_somebody_made_his_own_is_left(
    annotation: str | None, generation: int, kept: bool
) -> None:
    wanted = default("workload-low")
    found = level("workload-low", annotation, generation=generation)
    found["spec"]["limited"]["lendablePercent"] = 1
    system_objects.bring_up_to_date(found, wanted)
    assert (found["spec"] != wanted["spec"]) is kept
    assert found["metadata"]["annotations"][AUTOUPDATE] == ("false" if kept else "true")


def test_mandatory_levels_follow_but_for_what_exempt_lends() -> None:
    rejecting = level("catch-all", "false")
    rejecting["spec"]["limited"]["nominalConcurrencyShares"] = 500
    assert system_objects.is_outdated(rejecting, default("catch-all"))
    system_objects.bring_up_to_date(rejecting, default("catch-all"))
    assert rejecting["spec"] == default("catch-all")["spec"]
    lending = level("exempt")
    lending["spec"]["exempt"]["lendablePercent"] = 50
    assert not system_objects.is_outdated(lending, default("exempt"))


@pytest.mark.parametrize(
    ("data", "good"),
    [({"since": "2026-11-21"}, True), ({"since": "yesterday"}, False), ({}, False), (None, False)],
)
def test_since_when_old_tokens_are_watched(data: dict[str, str] | None, good: bool) -> None:
    assert system_objects.says_since({"data": data} if data is not None else {}) is good
    made = system_objects.token_tracking(NOW)
    assert made["data"] == {"since": "2026-11-21"}
    assert system_objects.says_since(made)
