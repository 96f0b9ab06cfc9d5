"""The events of an object, oldest first.

Source: k8s.io/kubectl/pkg/describe DescribeEvents.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cli.describe.text import NONE, Page, Tree, seconds_since
from wherry.api.duration import human_duration


def describe_events(page: Page, events: Sequence[Tree], now: datetime) -> None:
    if not events:
        page.line(0, "Events:", NONE)
        return
    rows = [
        [
            event.get("type", ""),
            event.get("reason", ""),
            _age(event, now),
            _source(event),
            event.get("message", "").strip().replace("\n", " "),
        ]
        for event in sorted(events, key=_last)
    ]
    page.line(0, "Events:")
    page.table(1, ["Type", "Reason", "Age", "From", "Message"], rows)


def _last(event: Tree) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")  # fmt: skip


def _first(event: Tree) -> str:
    return str(event.get("firstTimestamp") or event.get("eventTime") or "")


def _source(event: Tree) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host", "")
    return f"{component}, {host}" if host and component != "kubelet" else component


def _age(event: Tree, now: datetime) -> str:
    last = human_duration(seconds_since(_last(event), now)) if _last(event) else "<unknown>"
    series = event.get("series") or {}
    count = series.get("count") or event.get("count") or 1
    if series:
        last = human_duration(seconds_since(series.get("lastObservedTime"), now))
    if count > 1:
        return f"{last} (x{count} over {human_duration(seconds_since(_first(event), now))})"
    return last
