"""Counting into buckets on a request's way, and showing it to Prometheus when somebody scrapes.

A dict lookup and a bisect for each observation; prometheus_client's own histograms take a lock for each
bucket. Whoever observes bounds the labels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from prometheus_client.core import HistogramMetricFamily

SECONDS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0,
    10.0, 15.0, 20.0, 30.0, 45.0, 60.0,
)  # fmt: skip
BYTES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)

Key = TypeVar("Key", bound=Hashable)


class Tally(Generic[Key]):
    """How often values fell into which bucket, by key."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts: dict[Key, list[float]] = {}  # the buckets, the one above, the sum of values

    def add(self, key: Key, value: float, times: int = 1) -> None:
        """Observe a value, so many times."""
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0.0] * (len(self._bounds) + 2)
        counts[bisect_left(self._bounds, value)] += times
        counts[-1] += value * times

    def __iter__(self) -> Iterator[Key]:
        return iter(self._counts)

    def total(self, key: Key) -> int:
        """How many values were observed."""
        return int(sum(self._counts.get(key, (0.0,))[:-1]))

    def family(
        self,
        name: str,
        words: str,
        labels: Sequence[str],
        values: Callable[[Key], Iterable[str]],
    ) -> HistogramMetricFamily:
        """All of it under a metric's name; `values` are a key's label values."""
        family = HistogramMetricFamily(name, words, labels=labels)
        self.show(family, values)
        return family

    def show(self, family: HistogramMetricFamily, values: Callable[[Key], Iterable[str]]) -> None:
        """Add all of it to a metric that others add to, too."""
        names = [*map(str, self._bounds), "+Inf"]
        for key, counts in self._counts.items():
            buckets: list[tuple[str, float]] = []
            so_far = 0.0
            for bound, found in zip(names, counts, strict=False):
                so_far += found
                buckets.append((bound, so_far))
            family.add_metric(list(values(key)), buckets=buckets, sum_value=counts[-1])
