"""Tells people and other components what became of a pod: events and its PodScheduled condition.

Beside the decisions, never before them: a condition that can't be written delays nobody. One
condition per pod waits at most, the newest.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from scheduler.objects import Pod
from scheduler.state import PodInfo
from wherry.api.core_v1.reference import ObjectReference
from wherry.api.errors import ApiError
from wherry.api.model import format_time
from wherry.client.controller import Controller
from wherry.client.events import EventRecorder
from wherry.client.rest import Client
from wherry.client.store import key_of
from wherry.client.workqueue import WorkQueue

log = logging.getLogger(__name__)

WRITERS = 4
POD_SCHEDULED = "PodScheduled"
UNSCHEDULABLE = "Unschedulable"


def condition_patch(pod: Pod, message: str, now: datetime) -> dict[str, Any] | None:
    """The patch that says why the pod is not placed; None when it says so already."""
    found = next((one for one in pod.status.conditions if one.type == POD_SCHEDULED), None)
    changed = format_time(now)
    if found is not None and found.status == "False":
        if found.reason == UNSCHEDULABLE and found.message == message:
            return None
        if found.last_transition_time is not None:
            changed = format_time(found.last_transition_time)
    condition: dict[str, Any] = {
        "type": POD_SCHEDULED,
        "status": "False",
        "reason": UNSCHEDULABLE,
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": changed,
    }
    if pod.metadata.generation:
        condition["observedGeneration"] = pod.metadata.generation
    return {"status": {"conditions": [condition]}}


class Reporter:
    """Records events and writes conditions; `run` does the writing."""

    def __init__(self, client: Client, scheduler_name: str) -> None:
        self._client = client
        self._recorder = EventRecorder(client, scheduler_name)
        self._queue: WorkQueue[str] = WorkQueue("conditions")
        self._wanted: dict[str, tuple[Pod, str]] = {}

    def placed(self, pod: PodInfo, node_name: str) -> None:
        reference = ObjectReference(
            kind="Pod", api_version="v1", namespace=pod.namespace, name=pod.name, uid=pod.uid
        )
        message = f"Successfully assigned {pod.key} to {node_name}"
        self._recorder.event(reference, "Normal", "Scheduled", message)

    def does_not_fit(self, pod: Pod, message: str) -> None:
        self._recorder.event(pod, "Warning", "FailedScheduling", message)
        key = key_of(pod)
        self._wanted[key] = (pod, message)
        self._queue.add(key)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run(), name="events")
            writers = Controller("conditions", self._write, self._queue, workers=WRITERS)
            tasks.create_task(writers.run(), name="conditions")

    async def _write(self, key: str) -> None:
        pod, message = self._wanted[key]
        patch = condition_patch(pod, message, datetime.now(UTC))
        try:
            if patch is not None:
                await self._client.patch(
                    Pod, pod.metadata.name, pod.metadata.namespace, patch,
                    type="strategic", subresource="status",
                )  # fmt: skip
        except ApiError as error:
            if error.code != 404:  # it is gone: nobody waits for the news
                raise
        if self._wanted.get(key) == (pod, message):
            del self._wanted[key]
