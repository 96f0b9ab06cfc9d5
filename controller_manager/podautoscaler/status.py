"""An autoscaler's conditions and status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from wherry.api.autoscaling_v2 import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerCondition,
    HorizontalPodAutoscalerStatus,
    MetricStatus,
)

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


class Conditions:
    """The conditions as they become; a time moves only with its condition's status."""

    def __init__(self, before: Sequence[HorizontalPodAutoscalerCondition], now: datetime) -> None:
        self._now = now
        self._held = {one.type: one for one in before}

    def set(self, type_: str, *, true: bool, reason: str, message: str) -> None:
        old, word = self._held.get(type_), "True" if true else "False"
        since = old.last_transition_time if old is not None and old.status == word else self._now
        self._held[type_] = HorizontalPodAutoscalerCondition(
            type=type_, status=word, last_transition_time=since, reason=reason, message=message
        )

    def list(self) -> list[HorizontalPodAutoscalerCondition]:
        return list(self._held.values())


def status_of(
    autoscaler: HorizontalPodAutoscaler, conditions: Conditions, *,
    current: int, desired: int, metrics: Sequence[MetricStatus], scaled_at: datetime | None,
) -> HorizontalPodAutoscalerStatus:  # fmt: skip
    return HorizontalPodAutoscalerStatus(
        observed_generation=autoscaler.metadata.generation or None,
        last_scale_time=scaled_at or autoscaler.status.last_scale_time,
        current_replicas=current,
        desired_replicas=desired,
        current_metrics=list(metrics),
        conditions=conditions.list(),
    )
