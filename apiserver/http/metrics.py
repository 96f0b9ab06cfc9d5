"""What /metrics says about requests, under upstream's names.

Counting is on every request's way, so it is a few dict lookups. The Prometheus form is made when
somebody scrapes. Source: k8s.io/apiserver/pkg/endpoints/metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.request import RequestInfo
from apiserver.tally import BYTES, SECONDS, Tally

_READING = frozenset({"GET", "LIST"})
MUTATING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
DEPRECATED = frozenset({("", "componentstatuses"), ("", "endpoints")})
BODY_BYTES = tuple(50_000 + 100_000 * step for step in range(31))
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
        self._times = Tally[Key](SECONDS)
        self._sizes = Tally[Key](BYTES)
        self._bodies = Tally[Key](BODY_BYTES)
        self.inflight_mutating = 0
        self.inflight_reading = 0
        self._streams: dict[Key, int] = {}
        registry.register(self)

    def count(self, key: Key, code: int, dry_run: bool, seconds: float, size: int = 0) -> None:
        """One request has been answered, with so many bytes if they were known beforehand."""
        at = (key, code, dry_run)
        self._codes[at] = self._codes.get(at, 0) + 1
        self._times.add(key, seconds)
        if size and key.verb in _READING:
            self._sizes.add(key, size)

    def received(self, key: Key, size: int) -> None:
        """A request came with a body of so many bytes."""
        self._bodies.add(key, size)

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
        yield self._times.family(
            "apiserver_request_duration_seconds", "Time to answer a request.", _REQUEST, list
        )
        # Nothing of ours waits for webhooks, which is all that the two differ in.
        yield self._times.family(
            "apiserver_request_sli_duration_seconds",
            "Time to answer a request, without that of others.",
            _REQUEST,
            list,
        )
        yield self._sizes.family(
            "apiserver_response_sizes", "Bytes of answers to reading requests.", _REQUEST, list
        )
        yield self._bodies.family(
            "apiserver_request_body_size_bytes", "Bytes of requests' bodies.",
            ("group", "resource", "verb"), _body_labels,
        )  # fmt: skip
        yield self._deprecated()
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
        # A counter, but prometheus_client would put `_total` behind upstream's name.
        attempts = GaugeMetricFamily(
            "authentication_attempts",
            "Requests by whether their user is known.",
            labels=("result",),
        )
        unknown = sum(count for (_, code, _), count in self._codes.items() if code == 401)
        attempts.add_metric(["success"], sum(self._codes.values()) - unknown)
        attempts.add_metric(["failure"], unknown)
        yield attempts

    def _deprecated(self) -> Metric:
        found = GaugeMetricFamily(
            "apiserver_requested_deprecated_apis",
            "Deprecated kinds that were asked for; always 1.",
            labels=("group", "version", "resource", "subresource", "removed_release"),
        )
        asked = {(key.group, key.version, key.resource, key.subresource) for key, *_ in self._codes}
        for labels in sorted(asked):
            if (labels[0], labels[2]) in DEPRECATED:
                found.add_metric([*labels, ""], 1)
        return found


def _body_labels(key: Key) -> tuple[str, str, str]:
    verb = {"POST": "create", "PUT": "update"}.get(key.verb, key.verb.lower())
    return key.group, key.resource, verb


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
