"""What /metrics says about authorization, under upstream's names.

Source: k8s.io/apiserver/pkg/endpoints/filters/metrics.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.tally import Tally

BOUNDS: Final = tuple(0.001 * 2**power for power in range(15))
ALLOWED, NO_OPINION = "allowed", "no-opinion"


class Attempts(Collector):
    """How often requests were allowed or not, and how long that took to say."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._times: Tally[str] = Tally(BOUNDS)
        registry.register(self)

    def add(self, seconds: float, *, allowed: bool) -> None:
        self._times.add(ALLOWED if allowed else NO_OPINION, seconds)

    def collect(self) -> Iterator[Metric]:
        attempts = CounterMetricFamily(
            "authorization_attempts", "Requests by what was decided.", labels=("result",)
        )
        for result in self._times:
            attempts.add_metric([result], self._times.total(result))
        yield attempts
        yield self._times.family(
            "authorization_duration_seconds", "Time to decide.", ("result",), lambda key: [key]
        )
