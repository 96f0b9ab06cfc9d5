"""Writes one pod's status to the API server: only what changed, the newest wins, never gives up.

A strategic merge patch of the status subresource, with the uid as precondition, so that what others
own in the status stays theirs and a pod of the same name made later is not touched.

Source: upstream's pkg/kubelet/status/status_manager.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from kubelet.pods.conditions import BY_KUBELET, DISRUPTION_TARGET
from kubelet.pods.conditions import OWNED as CONDITIONS
from wherry.api.core_v1 import Pod, PodStatus
from wherry.api.errors import ApiError
from wherry.api.scheme import resource_of
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

OWNED = (
    "phase", "reason", "message", "conditions", "hostIP", "hostIPs", "podIP", "podIPs",
    "startTime", "initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses",
    "observedGeneration", "allocatedResources", "resources",
)  # fmt: skip
INVALID = 422
STRATEGIC = "application/strategic-merge-patch+json"
_PODS = resource_of(Pod)
# What only moves a condition or an address waits so long for what may follow at once.
MINOR_SECONDS = 0.5
# Lists merged by key: what is not named stays, unless told to replace.
_REPLACED = ("podIPs", "hostIPs")


def owned(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a status on the wire that a kubelet writes. Pure."""
    tree = dict(tree)
    tree["conditions"] = [c for c in tree.get("conditions", ()) if _is_ours(c)]
    return {field: tree[field] for field in OWNED if tree.get(field)}


def _is_ours(condition: Mapping[str, Any]) -> bool:
    """Who disrupts a pod says so, and that is not always us."""
    if condition["type"] == DISRUPTION_TARGET:
        return condition.get("reason") == BY_KUBELET
    return condition["type"] in CONDITIONS


def patch(uid: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that brings the server's status from `old` to `new`. Pure."""
    body: dict[str, Any] = {}
    for field in OWNED:
        if field in new:
            body[field] = new[field]
        elif field in old:
            body[field] = None
    for field in _REPLACED:
        if body.get(field) and old.get(field) not in (None, body[field]):
            body[field] = [*body[field], {"$patch": "replace"}]
    # An element merges into its old self: a reason that went must be named to go.
    body["conditions"] = [
        {"reason": None, "message": None, **condition} for condition in body.get("conditions", ())
    ]
    held = {condition["type"] for condition in body["conditions"]}
    body["conditions"] += [
        {"$patch": "delete", "type": condition["type"]}
        for condition in old.get("conditions", ())
        if condition["type"] in CONDITIONS and condition["type"] not in held
    ]
    return {"metadata": {"uid": uid}, "status": body}


def lawful(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """`new`, but what `old` tells as ended stays so. Pure.

    The server does not take it that a container that ended for good runs again, as an init container
    does whose pod lost its sandbox. Everything else of the status must not go untold for that.
    """
    found = dict(new)
    for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        ended = {one["name"]: one for one in old.get(field, ()) if "terminated" in one["state"]}
        if field in new:
            found[field] = [
                one if "terminated" in one["state"] else ended.get(one["name"], one)
                for one in new[field]
            ]
    return found


def is_minor(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether a change may wait a moment: neither phase, readiness nor any container differs. Pure."""
    return all(new.get(field) == old.get(field) for field in _MAJOR) and _ready(new) == _ready(old)


_MAJOR = (
    "phase", "reason", "message", "initContainerStatuses", "containerStatuses",
    "ephemeralContainerStatuses",
)  # fmt: skip


def _ready(tree: Mapping[str, Any]) -> str:
    found = (one["status"] for one in tree.get("conditions", ()) if one["type"] == "Ready")
    return next(found, "")


def is_overruled(said: PodStatus, stored: PodStatus) -> bool:
    """Whether somebody took a pod's readiness away. Pure.

    The node lifecycle controller does that while a node is silent, and nobody but us gives it back. It
    names no reason, while a kubelet always does.
    """
    ours, theirs = (
        next((c for c in one.conditions if c.type == "Ready"), None) for one in (said, stored)
    )
    if ours is None or theirs is None:
        return False
    return ours.status == "True" and theirs.status == "False" and not theirs.reason


class Publisher:
    """The status of one pod on its way."""

    def __init__(self, client: Client, clock: Clock, pod: Pod) -> None:
        self._client = client
        self._clock = clock
        self._pod = pod
        # Each status as it is and as it is on the wire: to make that is most of the work here.
        self._known = self._latest = (pod.status, pod.status.to_wire())
        self._changed = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.gone = False

    @property
    def latest(self) -> PodStatus:
        """What we last wanted published, or what the server had."""
        return self._latest[0]

    def publish(self, status: PodStatus) -> bool:
        """Ask for it to be written; False when it says nothing new."""
        tree = status.to_wire()
        if self.gone or owned(self._latest[1]) == owned(tree):
            return False
        minor = is_minor(tree, self._latest[1])
        self._latest = (status, tree)
        self._idle.clear()
        if not minor:
            self._now()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(MINOR_SECONDS, self._now)
        return True

    def reassert(self, stored: PodStatus) -> None:
        """Write it again if the server has another readiness than we told."""
        if not self.gone and is_overruled(self.latest, stored):
            self._idle.clear()
            self._now()

    def _now(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._changed.set()

    def forget(self) -> None:
        """The pod is gone: nothing is written any more."""
        self.gone = True
        self._now()
        self._idle.set()

    async def flushed(self) -> None:
        """Wait until the newest is written (or the pod is gone)."""
        if self._later is not None:
            self._now()
        await self._idle.wait()

    async def run(self) -> None:
        while not self.gone:
            await self._changed.wait()
            self._changed.clear()
            await self._send()
            if not (self._changed.is_set() or self._later) or self.gone:
                self._idle.set()

    async def _send(self) -> None:
        backoff = Backoff(0.2, 2.0, 10.0)
        meta = self._pod.metadata
        refused = False
        while not self.gone:
            latest, tree = self._latest, self._latest[1]
            if refused:
                tree = lawful(tree, self._known[1])
            try:
                # The answer is not read: the informer brings the pod anyway.
                await self._client.request(
                    "PATCH", _PODS.path(meta.namespace, meta.name, "status"),
                    body=patch(meta.uid, tree, self._known[1]), content_type=STRATEGIC,
                )  # fmt: skip
            except ApiUnavailable as error:
                log.debug("status of %s/%s: %s", meta.namespace, meta.name, error)
            except ApiError as error:
                if error.code == 404 or not await self._is_there():
                    self.gone = True
                    return
                log.warning("status of %s/%s: %s", meta.namespace, meta.name, error)
                if error.code == INVALID and not refused:
                    refused = True
                    continue
            else:
                self._known = (latest[0], tree)
                return
            await self._clock.sleep(backoff.next())

    async def _is_there(self) -> bool:
        """Is it still this pod that has the name? Yes while nobody says otherwise."""
        meta = self._pod.metadata
        try:
            found = await self._client.get(Pod, meta.name, meta.namespace)
        except ApiUnavailable:
            return True
        except ApiError as error:
            return error.code != 404
        return found.metadata.uid == meta.uid
