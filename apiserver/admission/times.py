"""How long admission takes, under upstream's names.

Both steps of every request are timed. Single plug-ins are timed in one request of `SAMPLE`, which stands
for all of them: timing a dozen plug-ins costs more than most of them do.

Source: k8s.io/apiserver/pkg/admission/metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from time import perf_counter
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.admission.interface import Attributes, Lister
from apiserver.tally import Tally

SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
SAMPLE = 16
_LABELS = ("type", "operation", "rejected")

Ask = Callable[[Attributes, Lister], None]


class _Step(NamedTuple):
    type: str
    operation: str
    rejected: str


class _Plugin(NamedTuple):
    name: str
    type: str
    operation: str
    rejected: str


class AdmissionTimes(Collector):
    """Runs the plug-ins of a step, and takes the time."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._steps = Tally[_Step](SECONDS)
        self._plugins = Tally[_Plugin](SECONDS)
        self._turn = count(1)
        if registry is not None:
            registry.register(self)

    def run(
        self,
        step: str,
        asked: Sequence[tuple[str, Ask]],
        attributes: Attributes,
        lister: Lister,
    ) -> None:
        """Ask plug-ins (by name) in turn; `step` is admit or validate. What one raises ends it."""
        started = perf_counter()
        rejected = "true"
        try:
            if next(self._turn) % SAMPLE:
                for _, ask in asked:
                    ask(attributes, lister)
            else:
                self._run_timed(step, asked, attributes, lister)
            rejected = "false"
        finally:
            at = _Step(step, attributes.operation, rejected)
            self._steps.add(at, perf_counter() - started)

    def _run_timed(
        self,
        step: str,
        asked: Sequence[tuple[str, Ask]],
        attributes: Attributes,
        lister: Lister,
    ) -> None:
        for name, ask in asked:
            started = perf_counter()
            rejected = "true"
            try:
                ask(attributes, lister)
                rejected = "false"
            finally:
                at = _Plugin(name, step, attributes.operation, rejected)
                self._plugins.add(at, perf_counter() - started, SAMPLE)

    def collect(self) -> Iterator[Metric]:
        yield self._steps.family(
            "apiserver_admission_step_admission_duration_seconds",
            "Time of a step of admission: all its plug-ins.",
            _LABELS,
            list,
        )
        yield self._plugins.family(
            "apiserver_admission_controller_admission_duration_seconds",
            f"Time of a plug-in; one request of {SAMPLE} is timed and stands for all.",
            ("name", *_LABELS),
            list,
        )
