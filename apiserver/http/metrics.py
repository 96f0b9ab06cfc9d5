"""What /metrics says about requests, under upstream's names.

Counting is on every request's way: one dict lookup and a bisect. The Prometheus form is made when
somebody scrapes. Source: k8s.io/apiserver/pkg/endpoints/metrics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.request import RequestInfo

BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0,
    10.0, 15.0, 20.0, 30.0, 45.0, 60.0,
)  # fmt: skip
MUTATING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_REQUEST = ("verb", "group", "version", "resource", "subresource", "scope", "component")


class Key(NamedTuple):
    """What requests are counted by. Bounded: resources x verbs x codes."""

    verb: str
    group: str
    version: str
    resource: str
    subresource: str
    scope: str
    component: str = "apiserver"


NON_RESOURCE = Key("GET", "", "", "", "", "")


class RequestMetrics(Collector):
    """Counts requests by what they asked and how they ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._codes: dict[tuple[Key, int, bool], int] = {}
        self._times: dict[Key, list[float]] = {}  # the buckets, then the sum of seconds
        self.inflight_mutating = 0
        self.inflight_reading = 0
        self._streams: dict[Key, int] = {}
        registry.register(self)

    def count(self, key: Key, code: int, dry_run: bool, seconds: float) -> None:
        """One request has been answered."""
        at = (key, code, dry_run)
        self._codes[at] = self._codes.get(at, 0) + 1
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = [0.0] * (len(BUCKETS) + 2)
        times[bisect_left(BUCKETS, seconds)] += 1
        times[-1] += seconds

    def streaming(self, key: Key, change: int) -> None:
        """A stream was opened (+1) or has ended (-1)."""
        self._streams[key] = self._streams.get(key, 0) + change

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            "apiserver_request",
            "Requests by verb, dry run, group, version, resource, scope, component and code.",
            labels=("dry_run", *_REQUEST, "code"),
        )
        for (key, code, dry_run), count in self._codes.items():
            total.add_metric(["All" if dry_run else "", *key, str(code)], count)
        yield total
        times = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Time to answer a request.", labels=_REQUEST
        )
        for key, counts in self._times.items():
            buckets: list[tuple[str, float]] = []
            so_far = 0.0
            for bound, found in zip((*map(str, BUCKETS), "+Inf"), counts, strict=False):
                so_far += found
                buckets.append((bound, so_far))
            times.add_metric(list(key), buckets=buckets, sum_value=counts[-1])
        yield times
        inflight = GaugeMetricFamily(
            "apiserver_current_inflight_requests",
            "Requests being answered now, streams apart.",
            labels=("request_kind",),
        )
        inflight.add_metric(["mutating"], self.inflight_mutating)
        inflight.add_metric(["readOnly"], self.inflight_reading)
        yield inflight
        long = GaugeMetricFamily(
            "apiserver_longrunning_requests", "Open watches and streams.", labels=_REQUEST
        )
        for key, count in self._streams.items():
            long.add_metric(list(key), count)
        yield long


def key_of(info: RequestInfo) -> Key:
    """What a request is counted by."""
    resource = info.resource
    if resource is None:
        return NON_RESOURCE
    if info.name:
        scope = "resource"
    elif info.namespace:
        scope = "namespace"
    else:
        scope = "cluster"
    verb = {"deletecollection": "DELETECOLLECTION"}.get(info.verb, info.verb.upper())
    verb = {"CREATE": "POST", "UPDATE": "PUT"}.get(verb, verb)
    return Key(verb, resource.group, resource.version, resource.plural, info.subresource, scope)
