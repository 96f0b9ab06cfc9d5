"""`/metrics/probes`: how containers' probes went. A container's figures go with its pod.

Source: upstream's pkg/kubelet/prober/prober_manager.go (ProberResults, ProberDuration).
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from kubelet.probes.state import Kind, Outcome, Result

_RESULTS = {
    Result.SUCCESS: "successful", Result.FAILURE: "failed", Result.UNKNOWN: "unknown",
}  # fmt: skip
_WHERE = ("probe_type", "container", "pod", "namespace")


class ProbeRecords:
    """Counts the outcomes of probes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._total = Counter(
            "prober_probe_total",
            "Cumulative number of a liveness, readiness or startup probe for a container by result.",
            ("result", *_WHERE, "pod_uid"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "prober_probe_duration_seconds",
            "Duration in seconds for a probe response.",
            _WHERE,
            registry=self.registry,
        )

    def add(self, kind: Kind, container: str, pod: tuple[str, str, str], outcome: Outcome, seconds: float) -> None:  # fmt: skip
        """pod: namespace, name, uid. A probe that could not be made counts as nothing, as upstream."""
        if outcome.is_error:
            return
        namespace, name, uid = pod
        where = (str(kind), container, name, namespace)
        self._total.labels(_RESULTS[outcome.result], *where, uid).inc()
        self._seconds.labels(*where).observe(seconds)

    def forget(self, kind: Kind, container: str, pod: tuple[str, str, str]) -> None:
        """The container has no such probe any more."""
        namespace, name, uid = pod
        where = (str(kind), container, name, namespace)
        for result in _RESULTS.values():
            self._total.remove(result, *where, uid)
        self._seconds.remove(*where)
