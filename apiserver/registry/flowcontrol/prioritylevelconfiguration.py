"""PriorityLevelConfigurations: how many requests of a level run, queue or are refused.

Not here: their effect; the server has no priority and fairness yet.
Source: pkg/apis/flowcontrol/validation, pkg/apis/flowcontrol/v1/defaults.go.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.flowcontrol.bootstrap import FIXED_PRIORITY_LEVELS
from apiserver.registry.flowcontrol.conditions import status_errors
from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.status_updates import keep_all_but_status, keep_status
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from wherry.api.errors import FieldError, forbidden_field, invalid, not_supported, required
from wherry.api.flowcontrol_v1 import PriorityLevelConfiguration
from wherry.api.scheme import resource_of

EXEMPT, LIMITED = "Exempt", "Limited"
QUEUE, REJECT = "Queue", "Reject"
SHARES_DEFAULT: Final = 30
QUEUING_DEFAULTS: Final = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
QUEUES_MAX: Final = 10_000_000
ENTROPY_BITS_MAX: Final = 60
_NON_NEGATIVE: Final = "must be a non-negative integer"
_PERCENT: Final = "must be between 0 and 100, inclusive"


class PriorityLevelConfigurationStrategy(Strategy):
    """`exempt` is the one exempt level; `catch-all` has a fixed spec."""

    resource = resource_of(PriorityLevelConfiguration)
    has_generation = True
    columns = (
        NAME,
        Column("Type", description="Limited or Exempt."),
        Column("NominalConcurrencyShares", description="Its share of the server's seats."),
        Column("Queues", description="How many queues there are."),
        Column("HandSize", description="How many queues a flow may use."),
        Column("QueueLengthLimit", description="How many requests a queue holds."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        if spec["type"] == EXEMPT and spec.get("exempt") is None:
            spec["exempt"] = {}
        if (exempt := spec.get("exempt")) is not None:
            _fill(exempt, nominalConcurrencyShares=0, lendablePercent=0)
        if (limited := spec.get("limited")) is not None:
            _fill(limited, nominalConcurrencyShares=SHARES_DEFAULT, lendablePercent=0)
            if (queuing := limited["limitResponse"].get("queuing")) is not None:
                for field, value in QUEUING_DEFAULTS.items():
                    queuing[field] = queuing[field] or value

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        keep_status(tree, old)

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        keep_all_but_status(tree, old)

    def validate(self, tree: Tree) -> list[FieldError]:
        spec, name = tree["spec"], tree["metadata"].get("name", "")
        kind, limited, exempt = spec["type"], spec.get("limited"), spec.get("exempt")
        errors: list[FieldError] = []
        if (name == "exempt") != (kind == EXEMPT):
            words = "type must be 'Exempt' if and only if name is 'exempt'"
            errors.append(invalid("spec.type", kind, words))
        if kind == EXEMPT:
            if limited is not None:
                words = "must be nil if the type is not Limited"
                errors.append(forbidden_field("spec.limited", words))
            errors += _shares(exempt or {}, "spec.exempt")
        elif kind == LIMITED:
            if exempt is not None:
                words = "must be nil if the type is Limited"
                errors.append(forbidden_field("spec.exempt", words))
            if limited is None:
                errors.append(required("spec.limited", "must not be empty when type is Limited"))
            else:
                errors += _limited(limited, "spec.limited")
        else:
            errors.append(not_supported("spec.type", kind, (EXEMPT, LIMITED)))
        return errors + _fixed(name, spec)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return status_errors(tree["status"])

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        limited = tree["spec"].get("limited") or {}
        queuing = limited.get("limitResponse", {}).get("queuing") or {}
        return (
            tree["metadata"]["name"],
            tree["spec"]["type"],
            limited.get("nominalConcurrencyShares", NONE),
            *(queuing.get(field, NONE) for field in QUEUING_DEFAULTS),
            created(tree, now),
        )


def _fill(tree: Tree, **values: Any) -> None:
    for field, value in values.items():
        if tree.get(field) is None:
            tree[field] = value


def _fixed(name: str, spec: Mapping[str, Any]) -> list[FieldError]:
    """The levels that upstream makes itself stay as they are, but for the shares of `exempt`."""
    if name not in FIXED_PRIORITY_LEVELS:
        return []
    fixed = {**FIXED_PRIORITY_LEVELS[name], "exempt": spec.get("exempt")}
    if {**spec, "exempt": spec.get("exempt")} == fixed:
        return []
    return [invalid("spec", spec, f"spec of '{name}' must equal the fixed value")]


def _shares(level: Mapping[str, Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    shares, lendable = level.get("nominalConcurrencyShares"), level.get("lendablePercent")
    if shares is not None and shares < 0:
        errors.append(invalid(f"{path}.nominalConcurrencyShares", shares, _NON_NEGATIVE))
    if lendable is not None and not 0 <= lendable <= 100:
        errors.append(invalid(f"{path}.lendablePercent", lendable, _PERCENT))
    return errors


def _limited(limited: Mapping[str, Any], path: str) -> list[FieldError]:
    shares = {"nominalConcurrencyShares": limited.get("nominalConcurrencyShares")}
    errors = _shares(shares, path)
    response, at = limited["limitResponse"], f"{path}.limitResponse"
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == REJECT:
        if queuing is not None:
            words = "must be nil if limited.limitResponse.type is not Limited"
            errors.append(forbidden_field(f"{at}.queuing", words))
    elif kind != QUEUE:
        errors.append(not_supported(f"{at}.type", kind, (QUEUE, REJECT)))
    elif queuing is None:
        words = "must not be empty if limited.limitResponse.type is Limited"
        errors.append(required(f"{at}.queuing", words))
    else:
        errors += _queuing(queuing, f"{at}.queuing")
    errors += _shares({"lendablePercent": limited.get("lendablePercent")}, path)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        words = f"if specified, {_NON_NEGATIVE}"
        errors.append(invalid(f"{path}.borrowingLimitPercent", borrowing, words))
    return errors


def _queuing(queuing: Mapping[str, int], path: str) -> list[FieldError]:
    queues, hand, length = queuing["queues"], queuing["handSize"], queuing["queueLengthLimit"]
    errors: list[FieldError] = []
    if length <= 0:
        errors.append(invalid(f"{path}.queueLengthLimit", length, "must be positive"))
    if queues <= 0:
        errors.append(invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > QUEUES_MAX:
        errors.append(invalid(f"{path}.queues", queues, f"must not be greater than {QUEUES_MAX}"))
    if hand <= 0:
        errors.append(invalid(f"{path}.handSize", hand, "must be positive"))
    elif hand > queues:
        words = f"should not be greater than queues ({queues})"
        errors.append(invalid(f"{path}.handSize", hand, words))
    elif math.ceil(math.log2(queues) * hand) > ENTROPY_BITS_MAX:
        words = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be "
            f"greater than {ENTROPY_BITS_MAX}"
        )
        errors.append(invalid(f"{path}.handSize", hand, words))
    return errors
