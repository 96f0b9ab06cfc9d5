"""Events of the core group, in the words of events.k8s.io, and the rules of that group.

Source: pkg/apis/events/v1/conversion.go, ValidateEventCreate and ValidateEventUpdate of
pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.words import IMMUTABLE
from apiserver.registry.view import Tree, View
from wherry.api import core_v1, events_v1
from wherry.api.errors import FieldError, invalid, required
from wherry.api.scheme import resource_of

SERIES_MIN: Final = 2
TYPES: Final = ("Normal", "Warning")
_SERVED: Final[Mapping[str, str]] = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_STORED: Final[Mapping[str, str]] = {served: stored for stored, served in _SERVED.items()}
# Core events always say who reports; the newer kind only when somebody does.
_OMITTED_WHEN_EMPTY: Final = ("reportingController", "reportingInstance")
_ERROR_NAMES: Final[Mapping[str, str]] = {"reportingComponent": "reportingController"}
_UNSET: Final = ("firstTimestamp", "lastTimestamp", "count")
_IMMUTABLE: Final = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count",
    "type", "eventTime", "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip
# What Go has of these when they are absent; of the others, nothing.
_EMPTY: Final[Mapping[str, str]] = dict.fromkeys(
    ("reason", "message", "type", "action", "reportingComponent", "reportingInstance"), ""
)
_REFERENCE: Final = (
    "kind",
    "namespace",
    "name",
    "uid",
    "apiVersion",
    "resourceVersion",
    "fieldPath",
)


class NewEvent(View):
    """events.k8s.io/v1 of what is stored as a core Event."""

    resource = resource_of(events_v1.Event)
    stored = resource_of(core_v1.Event)
    fields = {
        **{f"regarding.{name}": f"involvedObject.{name}" for name in _REFERENCE},
        "reason": "reason",
        "reportingController": "reportingComponent",
        "type": "type",
    }

    def to_stored(self, tree: Tree) -> Tree:
        return _renamed(tree, _STORED, self.stored.api_version)

    def from_stored(self, tree: Tree) -> Tree:
        served = _renamed(tree, _SERVED, self.resource.api_version)
        for name in _OMITTED_WHEN_EMPTY:
            if not served.get(name):
                served.pop(name, None)
        return served

    def check(self, tree: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[FieldError]:
        """New events have a time of their own and nothing of the old kind; they hardly ever change."""
        if old is not None:
            changed = tree.get("series") != old.get("series")
            return (_series(tree) if changed else []) + [
                invalid(_ERROR_NAMES.get(name, name), tree.get(name, _EMPTY.get(name)), IMMUTABLE)
                for name in _IMMUTABLE
                if (tree.get(name) or None) != (old.get(name) or None)
            ]
        errors = _series(tree)
        if not tree.get("eventTime"):
            errors.append(required("eventTime"))
        kind = tree.get("type", "")
        if kind not in TYPES:
            errors.append(invalid("type", "", f"has invalid value: {kind}"))
        errors += [invalid(name, "", "needs to be unset") for name in _UNSET if tree.get(name)]
        if tree.get("source"):
            errors.append(invalid("source", "", "needs to be unset"))
        return errors


def _renamed(tree: Mapping[str, Any], names: Mapping[str, str], api_version: str) -> Tree:
    """The tree with fields renamed; items of lists do not say their version."""
    found = {names.get(name, name): value for name, value in tree.items()}
    if "apiVersion" in found:
        found["apiVersion"] = api_version
    return found


def _series(tree: Mapping[str, Any]) -> list[FieldError]:
    series = tree.get("series")
    if series is None:
        return []
    errors: list[FieldError] = []
    if series.get("count", 0) < SERIES_MIN:
        errors.append(invalid("series.count", "", f"should be at least {SERIES_MIN}"))
    if not series.get("lastObservedTime"):
        errors.append(required("series.lastObservedTime"))
    return errors
