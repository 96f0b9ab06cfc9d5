"""The objects an API server makes by itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apiserver import system_objects
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
