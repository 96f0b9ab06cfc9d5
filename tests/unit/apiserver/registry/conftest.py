"""What strategies say of objects, told as `field: message` lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from apiserver.codec.decode import decode
from apiserver.registry.strategies import STRATEGIES
from apiserver.request import User
from wherry.api.model import TypedModel
from wherry.api.scheme import resource_of

Tree = dict[str, Any]
CREATED = "2026-01-01T00:00:00Z"
NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def ctx() -> Any:
    """As much of a RequestContext as strategies look at."""
    user = User("ann", "u1", ("g1", "g2"), {"k": ("v",)})
    return SimpleNamespace(user=user, now=NOW)


@pytest.fixture(scope="session")
def build(ctx: Any) -> Callable[..., Tree]:
    """An object as it is after creation, before validation."""

    def make(model: type[TypedModel], body: Tree, name: str = "x") -> Tree:
        resource = resource_of(model)
        metadata = {"name": name, "creationTimestamp": CREATED, **body.get("metadata", {})}
        if resource.namespaced:
            metadata.setdefault("namespace", "default")
        tree = decode(model, json.dumps({**body, "metadata": metadata}).encode()).tree
        strategy = STRATEGIES[resource]
        strategy.default(tree)
        strategy.prepare_for_create(tree)
        strategy.stamp(tree, None, ctx)
        return tree

    return make


@pytest.fixture(scope="session")
def said(build: Callable[..., Tree]) -> Callable[..., list[str]]:
    """What is wrong with a new object."""

    def say(model: type[TypedModel], body: Tree) -> list[str]:
        strategy = STRATEGIES[resource_of(model)]
        return [str(one) for one in strategy.validate(build(model, body))]

    return say


@pytest.fixture(scope="session")
def said_of_change(build: Callable[..., Tree], ctx: Any) -> Callable[..., list[str]]:
    """What is wrong with a change of an object, through the object or a subresource."""

    def say(
        model: type[TypedModel],
        body: Tree,
        change: Callable[[Tree], object],
        part: str = "",
        before: Callable[[Tree], object] = lambda tree: None,
    ) -> list[str]:
        strategy = STRATEGIES[resource_of(model)]
        old = build(model, body)
        before(old)
        tree = deepcopy(old)
        change(tree)
        if part == "status":
            strategy.prepare_for_status_update(tree, old)
        elif part:
            strategy.prepare_for_part(part, tree, old)
        else:
            strategy.prepare_for_update(tree, old)
        strategy.stamp(tree, old, ctx)
        if part == "status":
            errors = strategy.validate_status_update(tree, old)
        elif part:
            errors = strategy.validate_part_update(part, tree, old)
        else:
            errors = strategy.validate_update(tree, old)
        return [str(one) for one in errors]

    return say
