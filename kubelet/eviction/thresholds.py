"""When a node is short of something: signals, thresholds, and what is met now. Pure.

Source: upstream's pkg/kubelet/eviction (helpers.go, eviction_manager.go) and
kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from wherry.api import quantity
from wherry.daemon.flags import parse_duration

MEMORY = "memory.available"
NODE_DISK, NODE_INODES = "nodefs.available", "nodefs.inodesFree"
IMAGE_DISK, IMAGE_INODES = "imagefs.available", "imagefs.inodesFree"
PROCESSES = "pid.available"

MEMORY_PRESSURE, DISK_PRESSURE, PID_PRESSURE = "MemoryPressure", "DiskPressure", "PIDPressure"
CONDITIONS = {
    MEMORY: MEMORY_PRESSURE,
    NODE_DISK: DISK_PRESSURE,
    NODE_INODES: DISK_PRESSURE,
    IMAGE_DISK: DISK_PRESSURE,
    IMAGE_INODES: DISK_PRESSURE,
    PROCESSES: PID_PRESSURE,
}
# What an event and a status call it.
RESOURCES = {
    MEMORY: "memory",
    NODE_DISK: "ephemeral-storage",
    NODE_INODES: "inodes",
    IMAGE_DISK: "ephemeral-storage",
    IMAGE_INODES: "inodes",
    PROCESSES: "pids",
}
HARD_DEFAULTS = {
    MEMORY: "100Mi",
    NODE_DISK: "10%",
    NODE_INODES: "5%",
    IMAGE_DISK: "15%",
    IMAGE_INODES: "5%",
}


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of bytes, inodes or processes; or a share of what there is."""

    units: int = 0
    share: float | None = None

    def of(self, capacity: int) -> int:
        return self.units if self.share is None else round(capacity * self.share)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Short when less than `amount` is left; `grace_seconds` None is hard: at once."""

    signal: str
    amount: Amount
    grace_seconds: float | None = None
    reclaim: Amount = field(default_factory=Amount)  # how much more must be free before it is over

    @property
    def is_hard(self) -> bool:
        return self.grace_seconds is None


@dataclass(frozen=True, slots=True)
class Level:
    """How much of something there is."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What the flags say."""

    thresholds: tuple[Threshold, ...] = ()
    transition_seconds: float = 300.0
    pod_grace_seconds_max: int = 0

    def reserved(self, signal: str, capacity: int) -> int:
        """What a hard threshold keeps from pods."""
        found = (t for t in self.thresholds if t.is_hard and t.signal == signal)
        return sum(threshold.amount.of(capacity) for threshold in found)


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered from one look to the next."""

    met: frozenset[Threshold] = frozenset()
    since: Mapping[Threshold, datetime] = field(default_factory=dict)
    seen: Mapping[str, datetime] = field(default_factory=dict)  # condition → when last


@dataclass(frozen=True, slots=True)
class Verdict:
    """`due`: thresholds to act on, the most urgent first."""

    state: State
    conditions: frozenset[str]
    due: tuple[Threshold, ...]


def judge(policy: Policy, levels: Mapping[str, Level], state: State, now: datetime) -> Verdict:
    """What this moment's levels mean, given what was so before."""
    met = frozenset(
        threshold
        for threshold in policy.thresholds
        if (level := levels.get(threshold.signal)) is not None
        and _is_met(threshold, level, was_met=threshold in state.met)
    )
    since = {threshold: state.since.get(threshold, now) for threshold in met}
    seen = {**state.seen, **{CONDITIONS[threshold.signal]: now for threshold in met}}
    lasting = timedelta(seconds=policy.transition_seconds)
    current = {CONDITIONS[threshold.signal] for threshold in met}
    conditions = current | {name for name, at in seen.items() if now - at < lasting}
    due = [
        threshold
        for threshold in met
        if now - since[threshold] >= timedelta(seconds=threshold.grace_seconds or 0)
    ]
    due.sort(key=_urgency)
    return Verdict(State(met, since, seen), frozenset(conditions), tuple(due))


def _is_met(threshold: Threshold, level: Level, *, was_met: bool) -> bool:
    wanted = threshold.amount.of(level.capacity)
    if was_met:
        wanted += threshold.reclaim.of(level.capacity)
    return level.available < wanted


def _urgency(threshold: Threshold) -> tuple[bool, bool, str]:
    """Memory first, hard before soft; the rest in a fixed order."""
    return threshold.signal != MEMORY, not threshold.is_hard, threshold.signal


# -- flags


def amount(text: str) -> Amount:
    """`100Mi` or `10%`; ValueError when it is neither or negative."""
    if text.endswith("%"):
        share = float(text[:-1]) / 100
        if not 0 <= share <= 1:
            raise ValueError(f"eviction percentage threshold must be between 0% and 100%: {text}")
        return Amount(share=share)
    units = quantity.value(text)
    if units < 0:
        raise ValueError(f"eviction threshold must be positive: {text}")
    return Amount(units)


def _statement(text: str, operator: str) -> tuple[str, str]:
    signal, found, value = text.partition(operator)
    if not found or not value:
        raise ValueError(f"{text!r} is no statement such as memory.available{operator}100Mi")
    if signal not in CONDITIONS:
        raise ValueError(f"unknown eviction signal {signal!r} (known: {', '.join(CONDITIONS)})")
    return signal, value


def _statements(texts: Iterable[str], operator: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in filter(None, texts):
        signal, value = _statement(text, operator)
        if signal in found:
            raise ValueError(f"eviction signal {signal} is given twice")
        found[signal] = value
    return found


def thresholds(
    hard: Iterable[str], soft: Iterable[str], graces: Iterable[str], reclaims: Iterable[str]
) -> tuple[Threshold, ...]:
    """Flags' values (`signal<amount`, `signal=duration`, `signal=amount`) as thresholds; ValueError."""
    given = list(hard)
    hards = _statements(given, "<") if given else HARD_DEFAULTS
    softs, seconds = _statements(soft, "<"), _statements(graces, "=")
    least = {signal: amount(text) for signal, text in _statements(reclaims, "=").items()}
    for signal in softs:
        if signal not in seconds:
            raise ValueError(
                f"grace period must be specified for the soft eviction signal {signal}"
            )
    found = [Threshold(signal, amount(text)) for signal, text in hards.items()]
    found += [
        Threshold(signal, amount(text), parse_duration(seconds[signal]))
        for signal, text in softs.items()
    ]
    return tuple(
        replace(threshold, reclaim=least.get(threshold.signal, Amount()))
        for threshold in found
        if threshold.amount != Amount(share=0.0)  # 0% turns a signal off
    )
