"""What the audit's flags become: plain values, light to import (flags are read before anything else)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batching:
    """How events are gathered.

    buffer_max:   events that may wait; more are lost
    batch_max:    events written at once
    wait_seconds: how long a first event waits for others
    """

    buffer_max: int = 10_000
    batch_max: int = 400
    wait_seconds: float = 0.05


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is full and which old ones are kept; 0 = no limit."""

    megabytes_max: int = 0
    days_max: int = 0
    files_max: int = 0
    compress: bool = False


@dataclass(frozen=True, slots=True)
class Truncation:
    """What is done with events that are too large: bodies are left out, then the event."""

    event_bytes_max: int
    batch_bytes_max: int
