"""Looks at each autoscaler every few seconds: asks for use, decides, changes the target's scale.

Source: upstream's pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from controller_manager.context import Context, keys_of
from controller_manager.podautoscaler import behavior, proposals
from controller_manager.podautoscaler.behavior import Bounds, Memory
from controller_manager.podautoscaler.selectors import Selectors
from controller_manager.podautoscaler.status import ABLE, ACTIVE, LIMITED, Conditions, status_of
from controller_manager.podautoscaler.usage import NoMetrics, Rules, Target
from wherry.api import quantity
from wherry.api.autoscaling_v1.scale import Scale
from wherry.api.autoscaling_v2 import HorizontalPodAutoscaler, MetricStatus
from wherry.api.errors import ApiError
from wherry.api.resource import gvk
from wherry.api.scheme import BY_KIND
from wherry.client.decode import decode_object
from wherry.client.rest import ApiUnavailable
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


@dataclass(slots=True)
class _Outcome:
    """What one look came to. `reason`: why the number changes."""

    desired: int
    reason: str = ""
    metrics: list[MetricStatus] = field(default_factory=list)


class ScaleUnknown(Exception):
    """The target's scale can't be had; the text says why."""


class PodAutoscalerController:
    """Keeps the scale of HorizontalPodAutoscalers' targets."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._recorder = context.recorder("horizontal-pod-autoscaler")
        self._autoscalers = context.informers.autoscalers
        flags = context.options
        self._period: float = flags.horizontal_pod_autoscaler_sync_period
        self._down_seconds = int(flags.horizontal_pod_autoscaler_downscale_stabilization)
        tolerance = flags.horizontal_pod_autoscaler_tolerance
        self._rules = Rules(
            tolerance,
            tolerance,
            timedelta(seconds=flags.horizontal_pod_autoscaler_cpu_initialization_period),
            timedelta(seconds=flags.horizontal_pod_autoscaler_initial_readiness_delay),
        )
        self._workers = flags.concurrent_horizontal_pod_autoscaler_syncs
        self._memory: dict[str, Memory] = {}
        self._selectors = Selectors()
        self._queue: WorkQueue[str] = WorkQueue("horizontalpodautoscaler")
        self._autoscalers.add_handler(self._on_autoscaler)

    async def run(self) -> None:
        await self._context.work(
            "horizontalpodautoscaler", self._reconcile, self._queue, self._workers,
            keys_of(self._autoscalers),
        )  # fmt: skip

    def _on_autoscaler(
        self, before: HorizontalPodAutoscaler | None, after: HorizontalPodAutoscaler | None
    ) -> None:
        if after is None:
            if before is not None:
                self._memory.pop(key_of(before), None)
                self._selectors.forget(key_of(before))
        elif before is None or before.spec != after.spec:
            self._queue.add(key_of(after))

    async def _reconcile(self, key: str) -> float | None:
        autoscaler = self._autoscalers.get(*split_key(key))
        if autoscaler is None:
            return None
        now = self._context.clock.now()
        conditions = Conditions(autoscaler.status.conditions, now)
        try:
            scale = await self._scale_of(autoscaler)
        except ScaleUnknown as error:
            self._say(autoscaler, "Warning", "FailedGetScale", str(error))
            words = f"the HPA controller was unable to get the target's current scale: {error}"
            conditions.set(ABLE, true=False, reason="FailedGetScale", message=words)
            await self._write(autoscaler, conditions)
            return self._period
        words = "the HPA controller was able to get the target's current scale"
        conditions.set(ABLE, true=True, reason="SucceededGetScale", message=words)
        current = scale.spec.replicas
        memory = self._memory.setdefault(key, Memory())
        if not memory.wishes:
            memory.note_wish(current, now, self._down_seconds)
        try:
            outcome = await self._decide(autoscaler, scale, conditions, memory)
        except NoMetrics as error:
            self._say(autoscaler, "Warning", "FailedComputeMetricsReplicas", str(error))
            await self._write(
                autoscaler, conditions, current=current, keep_desired=True,
                metrics=list(error.statuses),
            )  # fmt: skip
            return self._period
        await self._act(autoscaler, scale, outcome, conditions, memory)
        return self._period

    # -- the target

    def _path(self, autoscaler: HorizontalPodAutoscaler) -> str:
        target = autoscaler.spec.scale_target_ref
        resource = BY_KIND.get(gvk(target.api_version, target.kind))
        if resource is None or resource.subresource("scale") is None:
            group = target.api_version.rpartition("/")[0]
            raise ScaleUnknown(f'no matches for kind "{target.kind}" in group "{group}"')
        return resource.path(autoscaler.metadata.namespace, target.name, "scale")

    async def _scale_of(self, autoscaler: HorizontalPodAutoscaler) -> Scale:
        try:
            answer = await self._client.request("GET", self._path(autoscaler))
        except (ApiError, ApiUnavailable) as error:
            raise ScaleUnknown(str(error)) from error
        return decode_object(Scale, answer.body)

    # -- deciding

    async def _decide(
        self, autoscaler: HorizontalPodAutoscaler, scale: Scale, conditions: Conditions,
        memory: Memory,
    ) -> _Outcome:  # fmt: skip
        """NoMetrics when nothing can be said."""
        spec, current = autoscaler.spec, scale.spec.replicas
        least = 1 if spec.min_replicas is None else spec.min_replicas
        if current == 0 and least != 0:
            words = "scaling is disabled since the replica count of the target is zero"
            conditions.set(ACTIVE, true=False, reason="ScalingDisabled", message=words)
            return _Outcome(0)
        if current > spec.max_replicas:
            why = "Current number of replicas above Spec.MaxReplicas"
            return _Outcome(spec.max_replicas, why)
        if current < least:
            return _Outcome(least, "Current number of replicas below Spec.MinReplicas")
        up, down = behavior.rules_of(spec.behavior, self._down_seconds)
        rules = self._rules
        if up.tolerance is not None:
            rules = replace(rules, up_tolerance=float(quantity.parse(up.tolerance)))
        if down.tolerance is not None:
            rules = replace(rules, down_tolerance=float(quantity.parse(down.tolerance)))
        now = self._context.clock.now()
        namespace, status = autoscaler.metadata.namespace, scale.status
        target = Target(namespace, status.selector, current, status.replicas)

        def say(reason: str, text: str) -> None:
            self._say(autoscaler, "Warning", reason, text)

        key = key_of(autoscaler)
        self._note_selector(key, target.selector, conditions, say)
        found = await proposals.of_all(
            self._client, autoscaler, target, rules, conditions, now, say,
            lambda selected: self._selectors.ambiguity(key, target.selector, selected),
        )  # fmt: skip
        bounds = Bounds(current, least, spec.max_replicas)
        normal = behavior.normalize(found.replicas, bounds, up, down, memory, now)
        conditions.set(ABLE, true=True, reason=normal.able[0], message=normal.able[1])
        limited, reason, message = normal.limited
        conditions.set(LIMITED, true=limited, reason=reason, message=message)
        why = f"{found.name} above target"
        if normal.replicas < current:
            why = "All metrics below target"
        return _Outcome(normal.replicas, why, found.statuses)

    def _note_selector(
        self, key: str, text: str, conditions: Conditions, say: proposals.Say
    ) -> None:
        """NoMetrics when the target selects no pods, or nobody knows which."""
        if not text:
            words = "the HPA target's scale is missing a selector"
            conditions.set(ACTIVE, true=False, reason="InvalidSelector", message=words)
            say("SelectorRequired", "selector is required")
            raise NoMetrics("selector is required")
        try:
            self._selectors.note(key, text)
        except ValueError as error:
            words = (
                f"couldn't convert selector into a corresponding internal selector object: {error}"
            )
            conditions.set(ACTIVE, true=False, reason="InvalidSelector", message=words)
            say("InvalidSelector", words)
            raise NoMetrics(words) from error

    # -- acting

    async def _act(
        self, autoscaler: HorizontalPodAutoscaler, scale: Scale, outcome: _Outcome,
        conditions: Conditions, memory: Memory,
    ) -> None:  # fmt: skip
        current, desired = scale.spec.replicas, outcome.desired
        if desired == current:
            await self._write(
                autoscaler, conditions, current=current, desired=desired, metrics=outcome.metrics
            )
            return
        changed = scale.with_(spec=scale.spec.with_(replicas=desired))
        try:
            await self._client.request("PUT", self._path(autoscaler), body=changed.to_json())
        except ApiError as error:
            text = f"New size: {desired}; reason: {outcome.reason}; error: {error}"
            self._say(autoscaler, "Warning", "FailedRescale", text)
            words = f"the HPA controller was unable to update the target scale: {error}"
            conditions.set(ABLE, true=False, reason="FailedUpdateScale", message=words)
            await self._write(autoscaler, conditions, current=current, keep_desired=True)
            raise
        words = f"the HPA controller was able to update the target scale to {desired}"
        conditions.set(ABLE, true=True, reason="SucceededRescale", message=words)
        self._say(
            autoscaler, "Normal", "SuccessfulRescale",
            f"New size: {desired}; reason: {outcome.reason}",
        )  # fmt: skip
        memory.note_change(current, desired, self._context.clock.now())
        await self._write(
            autoscaler, conditions, current=current, desired=desired, metrics=outcome.metrics,
            rescaled=True,
        )  # fmt: skip

    def _say(
        self,
        about: HorizontalPodAutoscaler,
        type_: Literal["Normal", "Warning"],
        reason: str,
        text: str,
    ) -> None:
        self._recorder.event(about, type_, reason, text)

    async def _write(
        self, autoscaler: HorizontalPodAutoscaler, conditions: Conditions, *,
        current: int | None = None, desired: int = 0, keep_desired: bool = False,
        metrics: list[MetricStatus] | None = None, rescaled: bool = False,
    ) -> None:  # fmt: skip
        """The status, if it differs."""
        old = autoscaler.status
        if current is None:
            current, keep_desired = old.current_replicas, True
        status = status_of(
            autoscaler, conditions, current=current,
            desired=old.desired_replicas if keep_desired else desired,
            metrics=metrics or [],
            scaled_at=self._context.clock.now() if rescaled else None,
        )  # fmt: skip
        if status != old:
            await self._client.update_status(autoscaler.with_(status=status))
