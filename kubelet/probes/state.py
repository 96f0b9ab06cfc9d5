"""What a run of probe results means: thresholds, counted. Pure.

A result must repeat `failureThreshold` (or `successThreshold`) times before the standing verdict
changes. What a verdict starts as depends on what it is for:

    startup    UNKNOWN → SUCCESS (then the others begin) or FAILURE (restart)
    liveness   SUCCESS → FAILURE (restart)
    readiness  FAILURE ⇄ SUCCESS

Source: upstream's pkg/kubelet/prober/worker.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wherry.api.core_v1 import Probe


class Kind(StrEnum):
    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


class Result(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One probe's end. `output` says why; `is_error` when the probe itself could not be made."""

    result: Result
    output: str = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """A probe's numbers with upstream's defaults filled in."""

    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3

    @classmethod
    def of(cls, probe: Probe) -> Spec:
        return cls(
            probe.initial_delay_seconds,
            probe.period_seconds or 10,
            probe.timeout_seconds or 1,
            probe.success_threshold or 1,
            probe.failure_threshold or 3,
        )


@dataclass(frozen=True, slots=True)
class ProbeState:
    """`verdict` is what stands; `last` came `streak` times in a row; `message` is the last failure."""

    verdict: Result
    last: Result | None = None
    streak: int = 0
    message: str = ""


def initial(kind: Kind) -> ProbeState:
    verdicts = {
        Kind.STARTUP: Result.UNKNOWN,
        Kind.LIVENESS: Result.SUCCESS,
        Kind.READINESS: Result.FAILURE,
    }
    return ProbeState(verdicts[kind])


def step(kind: Kind, state: ProbeState, outcome: Outcome, spec: Spec) -> ProbeState:
    """The state after one more result. One that could not be had counts as nothing."""
    if outcome.result is Result.UNKNOWN:
        return state
    streak = state.streak + 1 if outcome.result is state.last else 1
    threshold = spec.success_threshold
    message = ""
    if outcome.result is Result.FAILURE:
        threshold = spec.failure_threshold
        message = failure_message(kind, outcome)
    reached = streak >= threshold
    verdict = outcome.result if reached else state.verdict
    return ProbeState(verdict, outcome.result, min(streak, threshold), message)


def failure_message(kind: Kind, outcome: Outcome) -> str:
    """The text of the `Unhealthy` event."""
    if outcome.is_error:
        return f"{kind} probe errored and resulted in {outcome.result} state: {outcome.output}"
    return f"{kind} probe failed: {outcome.output}"
