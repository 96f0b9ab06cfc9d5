"""A kubelet's /metrics/resource as values, and usage as what lies between two of them. Pure.

Source: kubernetes-sigs/metrics-server/pkg/scraper/client/resource/decode.go and pkg/storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

CPU: Final = "cpu_usage_seconds_total"
MEMORY: Final = "memory_working_set_bytes"
START: Final = "start_time_seconds"


@dataclass(slots=True)
class Reading:
    """Totals of one thing. `at`: seconds since the epoch, when the kubelet read it."""

    at: float = 0.0
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    started_at: float = 0.0


PodKey = tuple[str, str]  # namespace, name


@dataclass(slots=True)
class Scrape:
    """One page of one kubelet."""

    node: Reading = field(default_factory=Reading)
    pods: dict[PodKey, dict[str, Reading]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Over `window_seconds` until `at`."""

    at: float
    window_seconds: float
    nanocores: int
    memory_bytes: int


def parse(page: str) -> Scrape:
    """ValueError when it is no page of metrics."""
    found = Scrape()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            what, _, figure = sample.name.partition("_")
            reading = _reading(found, what, sample.labels)
            if reading is None:
                continue
            if sample.timestamp is not None:
                reading.at = float(sample.timestamp)
            if figure == CPU:
                reading.cpu_seconds = sample.value
            elif figure == MEMORY:
                reading.memory_bytes = int(sample.value)
            elif figure == START:
                reading.started_at = sample.value
    return found


def _reading(found: Scrape, what: str, labels: Mapping[str, str]) -> Reading | None:
    if what == "node":
        return found.node
    if what != "container":
        return None
    pod = found.pods.setdefault((labels["namespace"], labels["pod"]), {})
    return pod.setdefault(labels["container"], Reading())


def usage(before: Reading | None, now: Reading) -> Usage | None:
    """None when two readings of the same run are not there. A restart begins a new total."""
    if now.cpu_seconds is None or now.memory_bytes is None:
        return None
    if before is None or before.cpu_seconds is None or before.started_at != now.started_at:
        before = Reading(now.started_at, 0.0) if now.started_at else None
    if before is None or before.cpu_seconds is None or now.at <= before.at:
        return None
    window = now.at - before.at
    cores = max(0.0, now.cpu_seconds - before.cpu_seconds) / window
    return Usage(now.at, window, round(cores * 1e9), now.memory_bytes)


def pod_usage(before: Mapping[str, Reading], now: Mapping[str, Reading]) -> dict[str, Usage] | None:
    """By container; None unless every container has one: half a pod's usage would mislead."""
    found = {name: usage(before.get(name), reading) for name, reading in now.items()}
    whole = {name: one for name, one in found.items() if one is not None}
    return whole if whole and len(whole) == len(found) else None
