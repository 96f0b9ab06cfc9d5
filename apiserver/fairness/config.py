"""The flags of priority and fairness, as upstream names them."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from wherry.daemon.flags import Flags

QUEUE_WAIT_PART = 0.25  # of --request-timeout that a request may wait for its turn


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessConfig:
    """`enabled` False: the two numbers limit reading and writing requests, and nothing queues."""

    enabled: bool
    reading_max: int
    writing_max: int
    request_seconds_max: float

    @property
    def total(self) -> int:
        return self.reading_max + self.writing_max

    @property
    def wait_seconds_max(self) -> float:
        return self.request_seconds_max * QUEUE_WAIT_PART


def fairness_flags(declared: Flags) -> None:
    """Declare all of them."""
    declared.boolean("--enable-priority-and-fairness", True, "queue and shed by FlowSchemas")
    declared.integer("--max-requests-inflight", 400, "reading requests at once")
    declared.integer("--max-mutating-requests-inflight", 200, "writing requests at once")
    declared.duration("--request-timeout", 60.0, "a request may wait a quarter of it for its turn")


def fairness_config(values: Namespace) -> FairnessConfig:
    """The values of parsed flags. ValueError naming the flag when one makes no sense."""
    reading, writing = values.max_requests_inflight, values.max_mutating_requests_inflight
    if reading < 0 or writing < 0:
        raise ValueError(
            "--max-requests-inflight and --max-mutating-requests-inflight: not below 0"
        )
    if values.enable_priority_and_fairness and not reading + writing:
        raise ValueError(
            "--max-requests-inflight and --max-mutating-requests-inflight: their sum must be above 0"
        )
    if not values.request_timeout > 0:
        raise ValueError("--request-timeout must be above 0")
    return FairnessConfig(
        enabled=values.enable_priority_and_fairness,
        reading_max=reading,
        writing_max=writing,
        request_seconds_max=values.request_timeout,
    )
