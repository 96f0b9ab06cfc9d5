"""Authorization's metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from apiserver.authz.attempts import Attempts


def test_attempts_and_their_times() -> None:
    registry = CollectorRegistry()
    attempts = Attempts(registry)
    for seconds, allowed in ((0.0, True), (0.003, True), (20.0, False)):
        attempts.add(seconds, allowed=allowed)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("authorization_attempts_total", result="allowed") == 2
    assert value("authorization_attempts_total", result="no-opinion") == 1
    times = "authorization_duration_seconds"
    assert value(f"{times}_bucket", result="allowed", le="0.001") == 1
    assert value(f"{times}_bucket", result="allowed", le="0.004") == 2
    assert value(f"{times}_sum", result="no-opinion") == 20
