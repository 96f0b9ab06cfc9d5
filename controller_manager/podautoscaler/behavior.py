"""How fast a number of pods may change, and which recent wish counts. Pure.

Source: upstream's pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicasWithBehaviors,
stabilizeRecommendationWithBehaviors) and pkg/apis/autoscaling/v2/defaults.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wherry.api.autoscaling_v2 import (
    HorizontalPodAutoscalerBehavior,
    HPAScalingPolicy,
    HPAScalingRules,
)

EVENTS_SECONDS_MAX = 1800  # the longest period a policy may have
WISHES_MAX = 1000

# Without `behavior` an autoscaler follows older, plainer rules: it doubles, or begins with four, and
# shrinks as far as it wants.
_PLAIN_UP = HPAScalingRules(select_policy="Max", stabilization_window_seconds=0)
_UP_FACTOR, _UP_LEAST = 2, 4

_UP = HPAScalingRules(
    select_policy="Max",
    stabilization_window_seconds=0,
    policies=[
        HPAScalingPolicy(type="Pods", value=4, period_seconds=15),
        HPAScalingPolicy(type="Percent", value=100, period_seconds=15),
    ],
)
_DOWN = HPAScalingRules(
    select_policy="Max",
    policies=[HPAScalingPolicy(type="Percent", value=100, period_seconds=15)],
)


@dataclass(frozen=True, slots=True)
class Change:
    """So many pods more or fewer, at a time."""

    at: datetime
    replicas: int


@dataclass(slots=True)
class Memory:
    """What is remembered of one autoscaler; it ends with the process, as upstream's does."""

    wishes: list[Change] = field(default_factory=list)
    ups: list[Change] = field(default_factory=list)
    downs: list[Change] = field(default_factory=list)

    def note_change(self, before: int, after: int, now: datetime) -> None:
        kept = now - timedelta(seconds=EVENTS_SECONDS_MAX)
        self.ups = [change for change in self.ups if change.at > kept]
        self.downs = [change for change in self.downs if change.at > kept]
        if after > before:
            self.ups.append(Change(now, after - before))
        elif after < before:
            self.downs.append(Change(now, before - after))

    def note_wish(self, replicas: int, now: datetime, longest_seconds: int) -> None:
        oldest = now - timedelta(seconds=longest_seconds)
        self.wishes = [wish for wish in self.wishes if wish.at > oldest][-WISHES_MAX:]
        self.wishes.append(Change(now, replicas))


@dataclass(frozen=True, slots=True)
class Normal:
    """The number that may be, and what the conditions say of it (reason, message)."""

    replicas: int
    able: tuple[str, str]
    limited: tuple[bool, str, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is, and between what it must stay."""

    current: int
    least: int
    most: int


def rules_of(
    behavior: HorizontalPodAutoscalerBehavior | None, down_seconds: int
) -> tuple[HPAScalingRules, HPAScalingRules]:
    """(up, down) with defaults; `down_seconds` is the flag's stabilization window."""
    if behavior is None:
        return _PLAIN_UP, _DOWN.with_(stabilization_window_seconds=down_seconds)
    down = _with_defaults(behavior.scale_down, _DOWN)
    if down.stabilization_window_seconds is None:
        down = down.with_(stabilization_window_seconds=down_seconds)
    return _with_defaults(behavior.scale_up, _UP), down


def _with_defaults(given: HPAScalingRules | None, default: HPAScalingRules) -> HPAScalingRules:
    if given is None:
        return default
    seconds = given.stabilization_window_seconds
    return given.with_(
        select_policy=given.select_policy or default.select_policy,
        policies=given.policies or default.policies,
        stabilization_window_seconds=(
            seconds if seconds is not None else default.stabilization_window_seconds
        ),
    )


def normalize(
    wished: int, bounds: Bounds, up: HPAScalingRules, down: HPAScalingRules, memory: Memory,
    now: datetime,
) -> Normal:  # fmt: skip
    """Notes the wish, and gives the number that may be now."""
    stable = _stabilize(wished, bounds.current, up, down, memory, now)
    replicas, limited = _limit(stable, bounds, up, down, memory, now)
    return Normal(replicas, _able(wished, stable), limited)


def _stabilize(
    wished: int, current: int, up: HPAScalingRules, down: HPAScalingRules, memory: Memory,
    now: datetime,
) -> int:  # fmt: skip
    """Up by the lowest, down by the highest wish of each window."""
    up_seconds, down_seconds = _window(up), _window(down)
    lowest = highest = wished
    for wish in memory.wishes:
        if wish.at > now - timedelta(seconds=up_seconds):
            lowest = min(lowest, wish.replicas)
        if wish.at > now - timedelta(seconds=down_seconds):
            highest = max(highest, wish.replicas)
    memory.note_wish(wished, now, max(up_seconds, down_seconds))
    return min(max(current, lowest), highest)


def _window(rules: HPAScalingRules) -> int:
    return rules.stabilization_window_seconds or 0


def _able(wished: int, stable: int) -> tuple[str, str]:
    if stable == wished:
        return "ReadyForNewScale", "recommended size matches current size"
    if stable > wished:
        words = "recent recommendations were higher than current one, applying the highest recent recommendation"
        return "ScaleDownStabilized", words
    words = "recent recommendations were lower than current one, applying the lowest recent recommendation"
    return "ScaleUpStabilized", words


def _limit(
    wished: int, bounds: Bounds, up: HPAScalingRules, down: HPAScalingRules, memory: Memory,
    now: datetime,
) -> tuple[int, tuple[bool, str, str]]:  # fmt: skip
    current = bounds.current
    if wished > current:
        fastest = max(current, _up_limit(current, up, memory, now))
        allowed, reason = bounds.most, "TooManyReplicas"
        words = "the desired replica count is more than the maximum replica count"
        if allowed > fastest:
            allowed, reason = fastest, "ScaleUpLimit"
            words = "the desired replica count is increasing faster than the maximum scale rate"
        if wished > allowed:
            return allowed, (True, reason, words)
    elif wished < current:
        fastest = min(current, _down_limit(current, down, memory, now))
        allowed, reason = bounds.least, "TooFewReplicas"
        words = "the desired replica count is less than the minimum replica count"
        if allowed < fastest:
            allowed, reason = fastest, "ScaleDownLimit"
            words = "the desired replica count is decreasing faster than the maximum scale rate"
        if wished < allowed:
            return allowed, (True, reason, words)
    within = "the desired count is within the acceptable range"
    if wished > bounds.most:
        words = "the desired replica count is more than the maximum replica count"
        return bounds.most, (True, "TooManyReplicas", words)
    if wished < bounds.least:
        words = "the desired replica count is less than the minimum replica count"
        return bounds.least, (True, "TooFewReplicas", words)
    return wished, (False, "DesiredWithinRange", within)


def _up_limit(current: int, rules: HPAScalingRules, memory: Memory, now: datetime) -> int:
    if rules is _PLAIN_UP:
        return max(_UP_FACTOR * current, _UP_LEAST)

    def proposal(policy: HPAScalingPolicy, start: int) -> int:
        if policy.type == "Pods":
            return start + policy.value
        return math.ceil(start * (100 + policy.value) / 100)

    return _proposed(current, rules, memory, now, proposal, widest=max, narrowest=min)


def _down_limit(current: int, rules: HPAScalingRules, memory: Memory, now: datetime) -> int:
    def proposal(policy: HPAScalingPolicy, start: int) -> int:
        if policy.type == "Pods":
            return start - policy.value
        return start * (100 - policy.value) // 100

    return _proposed(current, rules, memory, now, proposal, widest=min, narrowest=max)


def _proposed(
    current: int, rules: HPAScalingRules, memory: Memory, now: datetime,
    proposal: Callable[[HPAScalingPolicy, int], int], *,
    widest: Callable[[Sequence[int]], int], narrowest: Callable[[Sequence[int]], int],
) -> int:  # fmt: skip
    if rules.select_policy == "Disabled" or not rules.policies:
        return current
    found = []
    for policy in rules.policies:
        since = now - timedelta(seconds=policy.period_seconds)
        grown = sum(change.replicas for change in memory.ups if change.at > since)
        shrunk = sum(change.replicas for change in memory.downs if change.at > since)
        found.append(proposal(policy, current - grown + shrunk))
    return narrowest(found) if rules.select_policy == "Min" else widest(found)
