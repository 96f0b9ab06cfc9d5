"""What /metrics says about priority and fairness, under upstream's names.

Source: k8s.io/apiserver/pkg/util/flowcontrol/metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.fairness.fairness import Fairness, LevelState

_PREFIX = "apiserver_flowcontrol_"
_LEVEL, _FLOW = ("priority_level",), ("flow_schema", "priority_level")


class FairnessMetrics(Collector):
    """Made when somebody scrapes."""

    def __init__(self, fairness: Fairness, registry: CollectorRegistry) -> None:
        self._fairness = fairness
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        fairness = self._fairness
        rejected = CounterMetricFamily(
            f"{_PREFIX}rejected_requests",
            "Requests that were refused, by why.",
            labels=("priority_level", "flow_schema", "reason"),
        )
        for (schema, level, why), count in fairness.refused.items():
            rejected.add_metric([level, schema, why], count)
        yield rejected
        dispatched = CounterMetricFamily(
            f"{_PREFIX}dispatched_requests",
            "Requests that were carried out.",
            labels=("priority_level", "flow_schema"),
        )
        for (schema, level), count in fairness.dispatched.items():
            dispatched.add_metric([level, schema], count)
        yield dispatched
        yield fairness.waits.family(
            f"{_PREFIX}request_wait_duration_seconds",
            "Time requests waited for their turn.",
            (*_FLOW, "execute"),
            list,
        )
        yield fairness.runs.family(
            f"{_PREFIX}request_execution_seconds", "Time requests held a place.", _FLOW, list
        )
        for name, words, value in _GAUGES:
            yield self._gauge(name, words, value)

    def _gauge(self, name: str, words: str, value: Callable[[LevelState], float | None]) -> Metric:
        gauge = GaugeMetricFamily(_PREFIX + name, words, labels=_LEVEL)
        for level, state in self._fairness.levels.items():
            told = value(state)
            if told is not None:
                gauge.add_metric([level], told)
        return gauge


def _queued(name: str) -> Callable[[LevelState], float | None]:
    """A number of the level's queues; none for an exempt level."""
    return lambda one: None if one.queues is None else getattr(one.queues, name)


_GAUGES: tuple[tuple[str, str, Callable[[LevelState], float | None]], ...] = (
    ("current_executing_requests", "Requests that hold a place.", _queued("executing")),
    ("current_executing_seats", "Seats that are taken.", _queued("executing_seats")),
    ("current_inqueue_requests", "Requests that wait.", _queued("waiting")),
    ("current_inqueue_seats", "Seats that are waited for.", _queued("waiting_seats")),
    ("current_limit_seats", "Seats after lending and borrowing.", _queued("limit")),
    ("nominal_limit_seats", "Seats by shares.", lambda one: one.limits.nominal),
    ("lower_limit_seats", "Seats that are never lent.", lambda one: one.limits.lower),
    ("upper_limit_seats", "Most seats after borrowing.", lambda one: one.limits.upper),
    ("demand_seats_high_watermark", "Most seats wanted lately.", lambda one: one.high),
    ("demand_seats_average", "Seats wanted lately, on average.", lambda one: one.mean),
    ("demand_seats_stdev", "Deviation of the seats wanted lately.", lambda one: one.deviation),
    ("demand_seats_smoothed", "Seats wanted, smoothed.", lambda one: one.demand.smooth),
    ("target_seats", "Seats a level should have.", lambda one: one.target),
)  # fmt: skip
