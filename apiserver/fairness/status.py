"""Each FlowSchema's condition `Dangling`: whether the priority level it names is there.

Source: digestFlowSchema and syncFlowSchemaStatus of k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apiserver.fairness.fairness import Objects
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, RequestInfo, User
from apiserver.system_objects import FLOW_SCHEMAS
from wherry.api.errors import ApiError
from wherry.api.model import format_time
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
USER = User("system:apiserver", groups=("system:masters",))
USER_AGENT = "api-priority-and-fairness-config-consumer-v1"

Tree = dict[str, Any]


def dangling(schema: Mapping[str, Any], levels: frozenset[str], now: datetime) -> Tree | None:
    """The condition as it should be; None when it is so."""
    level = schema["spec"]["priorityLevelConfiguration"]["name"]
    words = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    found = level in levels
    wanted = {
        "type": "Dangling",
        "status": "False" if found else "True",
        "reason": "Found" if found else "NotFound",
        "message": f"{words} and it exists" if found else f"{words} but there is no such object",
    }
    conditions = schema.get("status", {}).get("conditions", ())
    before: Mapping[str, Any] = next(
        (one for one in conditions if one.get("type") == "Dangling"), {}
    )
    if all(before.get(name) == value for name, value in wanted.items()):
        return None
    same = before.get("status") == wanted["status"]
    return {
        **wanted,
        "lastTransitionTime": before["lastTransitionTime"] if same else format_time(now),
    }


class FlowStatus:
    """Keeps the conditions right. Of several API servers any may."""

    def __init__(self, registry: Registry, objects: Objects, clock: Clock) -> None:
        self._registry = registry
        self._objects = objects
        self._clock = clock

    async def run(self) -> None:
        """For ever; what fails is tried again with the next look."""
        seen: object = None
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            stamp = self._objects.stamp()
            if stamp == seen:
                continue
            try:
                await self.look()
            except ApiError as error:
                log.warning("the status of FlowSchemas: %s", error)
            else:
                seen = stamp

    async def look(self) -> None:
        """One round. ApiError."""
        levels = frozenset(one["metadata"]["name"] for one in self._objects.levels())
        for schema in self._objects.schemas():
            wanted = dangling(schema, levels, self._clock.now())
            if wanted is not None:
                await self._set(schema["metadata"]["name"], wanted)

    async def _set(self, name: str, condition: Tree) -> None:
        def fill(tree: Tree) -> None:
            status = tree.setdefault("status", {})
            others = [one for one in status.get("conditions", ()) if one.get("type") != "Dangling"]
            status["conditions"] = [*others, condition]

        ctx = RequestContext(
            info=RequestInfo("update", "", FLOW_SCHEMAS),
            user=USER,
            query={},
            accept="",
            content_type="",
            user_agent=USER_AGENT,
            now=self._clock.now(),
        )
        try:
            await self._registry.update(FLOW_SCHEMAS, "", name, fill, ctx, "status")
        except ApiError as error:
            if error.reason != "NotFound":  # deleted meanwhile
                raise
