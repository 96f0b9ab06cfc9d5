"""Every stored resource has a strategy, with upstream's columns and rows as wide as they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apiserver.codec.decode import decode
from apiserver.registry.strategies import STRATEGIES
from apiserver.registry.strategy import Strategy
from wherry.api.scheme import RESOURCES, Resource

COLUMNS = Path(__file__).parents[4].parent / "shared" / "upstream" / "columns.json"
STORED = [one for one in RESOURCES if one.stored]
NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
CREATED = "2026-01-01T00:00:00Z"


def minimal(resource: Resource) -> dict[str, Any]:
    """The least object of a kind, as stored."""
    metadata = {"name": "x", "creationTimestamp": CREATED}
    if resource.namespaced:
        metadata["namespace"] = "default"
    tree = decode(resource.model, json.dumps({"metadata": metadata}).encode()).tree
    STRATEGIES[resource].default(tree)
    STRATEGIES[resource].prepare_for_create(tree)
    return tree


def test_every_stored_resource_has_one() -> None:
    assert {*STRATEGIES} == {*STORED}


def test_a_put_creates_only_where_upstream_has_it_so() -> None:
    found = {one.plural for one in STORED if STRATEGIES[one].allow_create_on_update}
    assert found == {
        "clusterrolebindings", "clusterroles", "endpoints", "events", "leases", "limitranges",
        "rolebindings", "roles", "runtimeclasses", "services",
    }  # fmt: skip


@pytest.mark.parametrize("resource", STORED, ids=lambda one: one.qualified_name)
class TestStrategy:
    def test_row_is_as_wide_as_its_columns(self, resource: Resource) -> None:
        strategy = STRATEGIES[resource]
        row = strategy.row(minimal(resource), NOW)
        assert len(row) == len(strategy.columns)
        ages = [
            cell for cell, column in zip(row, strategy.columns, strict=True) if column.name == "Age"
        ]
        assert ages in ([], ["60m"])

    @pytest.mark.skipif(not COLUMNS.exists(), reason="no recorded facts beside the project")
    def test_columns_are_upstream_s(self, resource: Resource) -> None:
        known = json.loads(COLUMNS.read_text())[f"{resource.api_version}/{resource.plural}"]
        want = [
            (one["name"], one["type"], one.get("format", ""), one.get("priority", 0))
            for one in known
        ]
        assert [
            (one.name, one.type, one.format, one.priority) for one in STRATEGIES[resource].columns
        ] == want

    def test_selectable_fields_are_the_resource_s(self, resource: Resource) -> None:
        assert set(STRATEGIES[resource].selectable_fields(minimal(resource))) == set(
            resource.fields
        )

    def test_names_are_checked(self, resource: Resource) -> None:
        strategy: Strategy = STRATEGIES[resource]
        if resource.plural == "ipaddresses":  # named by what they are
            assert not strategy.name_errors("10.0.0.1", prefix=False)
        else:
            assert not strategy.name_errors("a-name", prefix=False)
            assert not strategy.name_errors("a-prefix-", prefix=True)
        assert strategy.name_errors("a/b", prefix=False)

    def test_a_default_is_a_fixed_point(self, resource: Resource) -> None:
        tree = minimal(resource)
        again = decode(resource.model, json.dumps(tree).encode()).tree
        STRATEGIES[resource].default(again)
        assert again == tree
