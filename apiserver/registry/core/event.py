"""Events: old ones (first and last time, count) and new ones (event time, series) in one kind.

Source: pkg/apis/core/validation/events.go, printEvent of pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import age
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import segment_name
from apiserver.registry.validation.words import invalids
from wherry.api import names
from wherry.api.core_v1 import Event
from wherry.api.errors import FieldError, invalid, required
from wherry.api.scheme import resource_of

FIELD_MAX: Final = 128  # of reportingInstance, action, reason
MESSAGE_MAX: Final = 1024


class EventStrategy(Strategy):
    """What happened to whom. Only "new" events (with an event time) are held to rules."""

    resource = resource_of(Event)
    allow_create_on_update = True
    columns = (
        Column("Last Seen", description="How long ago it happened last."),
        Column("Type", description="Normal or Warning."),
        Column("Reason", description="One word for why."),
        Column("Object", description="Whom it happened to."),
        Column("Subobject", description="The part of it.", priority=1),
        Column("Source", description="Who reports it.", priority=1),
        Column("Message", description="What happened, for people."),
        Column("First Seen", description="How long ago it happened first.", priority=1),
        Column("Count", description="How often it happened.", priority=1),
        Column("Name", format="name", description="The event's own name.", priority=1),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return segment_name(name, prefix=prefix)

    def validate(self, tree: Tree) -> list[FieldError]:
        namespace = tree["metadata"].get("namespace", "")
        involved = tree["involvedObject"].get("namespace", "")
        if tree.get("eventTime"):
            errors = _new_event(tree)
            matches = bool(involved) or namespace in ("default", "kube-system")
        else:
            errors = []
            matches = involved == namespace if involved else namespace in ("", "default")
        if not matches:
            detail = "does not match event.namespace"
            errors.insert(0, invalid("involvedObject.namespace", involved, detail))
        return errors + invalids("namespace", namespace, names.dns1123_subdomain(namespace))

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        involved = tree["involvedObject"]
        fields = {
            f"involvedObject.{field}": involved.get(field, "")
            for field in (
                "kind",
                "namespace",
                "name",
                "uid",
                "apiVersion",
                "resourceVersion",
                "fieldPath",
            )
        }
        reporter = tree.get("reportingComponent", "")
        return {
            **fields,
            "reason": tree.get("reason", ""),
            "reportingComponent": reporter,
            "source": tree["source"].get("component", "") or reporter,
            "type": tree.get("type", ""),
        }

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        first = age(tree.get("firstTimestamp") or tree.get("eventTime"), now)
        last = age(tree["lastTimestamp"], now) if tree.get("lastTimestamp") else first
        count = tree.get("count") or 1
        if series := tree.get("series"):
            last, count = age(series.get("lastObservedTime"), now), series.get("count", 0)
        involved = tree["involvedObject"]
        kind, name = involved.get("kind", "").lower(), involved.get("name", "")
        source = [
            tree["source"].get("component") or tree.get("reportingComponent", ""),
            tree["source"].get("host") or tree.get("reportingInstance", ""),
        ]
        return (
            last, tree.get("type", ""), tree.get("reason", ""), f"{kind}/{name}" if name else kind,
            involved.get("fieldPath", ""), ", ".join(source) if source[1] else source[0],
            tree.get("message", "").strip(), first, count, tree["metadata"]["name"],
        )  # fmt: skip


def _new_event(tree: Mapping[str, Any]) -> list[FieldError]:
    """The rules for events that have an event time."""
    errors: list[FieldError] = []
    reporter = tree.get("reportingComponent", "")
    if not reporter:
        errors.append(required("reportingComponent"))
    errors += invalids("reportingComponent", reporter, names.qualified_name(reporter))
    for field in ("reportingInstance", "action", "reason"):
        value = tree.get(field, "")
        if not value:
            errors.append(required(field))
        if len(value) > FIELD_MAX:
            errors.append(invalid(field, "", f"can have at most {FIELD_MAX} characters"))
    if len(tree.get("message", "")) > MESSAGE_MAX:
        errors.append(invalid("message", "", f"can have at most {MESSAGE_MAX} characters"))
    return errors
