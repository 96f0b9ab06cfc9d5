"""The last steps of a pod on this node: its containers, volumes and cgroups go, then its object.

Called when nothing of the pod runs and no sandbox is left. Every step may be repeated.
"""

from __future__ import annotations

import asyncio
import logging

from kubelet import cgroup_fs
from kubelet.pods import cgroups
from kubelet.pods.publisher import Publisher
from kubelet.pods.services import Services
from kubelet.runtime.protocol import RuntimeFailure
from kubelet.volumes.interface import VolumeError
from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError
from wherry.client.rest import ApiUnavailable
from wherry.daemon.backoff import Backoff

log = logging.getLogger(__name__)

# Then the rounds of `groups.py` take over.
GROUP_TRIES_MAX, GROUP_RETRY_SECONDS = 5, 0.2


class Ending:
    """Cleans up one pod. `is_done` stays set."""

    def __init__(self, services: Services) -> None:
        self._s = services
        self.is_done = False

    async def finish(self, pod: Pod, publisher: Publisher, *, announce: bool) -> None:
        """Leave nothing; with `announce` tell the API server, as often as it takes."""
        uid = pod.metadata.uid
        try:
            # Before what tells a restarted kubelet that the pod was here.
            await self._remove_groups(uid)
            await self._remove_containers(uid)
            await self._s.volumes.teardown(uid)
        except (RuntimeFailure, OSError, VolumeError) as error:
            log.warning("clean-up of pod %s: %s", uid, error)
            if announce:
                message = f"error killing pod: {error}"
                self._s.event(pod, "Warning", "FailedKillPod", message)
            await self._s.clock.sleep(1.0)
            return
        self._s.bounding.forget(uid)
        self._s.objects.unregister(uid)
        if announce:
            await publisher.flushed()
            await self._delete(pod, publisher)
        self.is_done = True

    async def _remove_groups(self, uid: str) -> None:
        """An orphan's class is not known, so in all of them.

        An engine that was killed while it made a container forgets the process it had begun:
        whatever is in the group of a pod that is over has no business there.
        """
        left = cgroups.possible(uid, self._s.node.facts)
        for attempt in range(GROUP_TRIES_MAX):
            if attempt:  # the kernel takes a moment to let go of what ended
                await self._s.clock.sleep(GROUP_RETRY_SECONDS)
            left = [one for one in left if not await asyncio.to_thread(cgroup_fs.remove, one)]
            if not left:
                return
            for group in left:
                killed = await asyncio.to_thread(cgroup_fs.kill, group)
                if killed and attempt:
                    log.warning("pod %s is over; killed %d processes of it", uid, killed)
        log.info("control groups of pod %s stay for now: %s", uid, left)

    async def _remove_containers(self, uid: str) -> None:
        records = self._s.cache.records(uid)
        results = await asyncio.gather(
            *(self._s.runtime.remove(record.id) for record in records), return_exceptions=True
        )
        for record, result in zip(records, results, strict=True):
            if isinstance(result, BaseException):
                raise result
            self._s.cache.drop(record.id)

    async def _delete(self, pod: Pod, publisher: Publisher) -> None:
        backoff = Backoff(0.2, 2.0, 10.0)
        meta = pod.metadata
        while not publisher.gone:
            try:
                await self._s.client.delete(
                    Pod, meta.name, meta.namespace, grace_period_seconds=0, uid=meta.uid
                )
            except ApiUnavailable as error:
                log.debug("delete of pod %s/%s: %s", meta.namespace, meta.name, error)
            except ApiError as error:
                if error.code in (404, 409):
                    return
                log.warning("delete of pod %s/%s: %s", meta.namespace, meta.name, error)
            else:
                return
            await self._s.clock.sleep(backoff.next())
