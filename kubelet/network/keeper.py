"""Keeps what the network plug-ins hold in step with the sandboxes there are.

What was lost (a sandbox that vanished without us, an ADD cut off by our own death) is given back at
once at start and then in rounds. A wired sandbox is looked at (CHECK) when it is new to us, so also
after our start, and then in turn, one at a time, since a plug-in costs a process; one that fails
twice is ended, so that its pod gets another, with a network.

Source: the CNI specification 1.1 (CHECK, GC); the rounds are ours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kubelet.network.cni import Cni
from kubelet.network.plugins import Attachment, NetworkError
from kubelet.pods.cache import ContainerCache
from kubelet.runtime.protocol import ContainerRecord, Runtime, RuntimeFailure, State
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

ROUND_SECONDS = 30.0
COLLECT_EVERY = 10  # rounds, also when nothing is known to be lost
NEW_MAX = 20  # sandboxes looked at in one round
SURE_SECONDS = 2.0  # between the two failures that count

Say = Callable[[str, str, str], None]  # (pod's uid, reason, message)


class NetworkKeeper:
    """`say` tells of a pod's broken network before its sandbox is ended."""

    def __init__(
        self, cni: Cni, cache: ContainerCache, runtime: Runtime, clock: Clock, say: Say
    ) -> None:
        self._cni = cni
        self._cache = cache
        self._runtime = runtime
        self._clock = clock
        self._say = say
        self._unchecked: list[str] = []
        self._seen: set[str] = set()
        self._round = 0

    async def run(self) -> None:
        """Until cancelled."""
        await self._cache.listed.wait()
        while True:
            try:
                await self.free()
                await self.check_some()
                self._round += 1
            except (NetworkError, RuntimeFailure, OSError) as error:
                log.warning("pod networks: %s", error)
            await self._clock.sleep(ROUND_SECONDS)

    async def free(self) -> None:
        """Give back what sandboxes had that are gone."""
        if self._cache.failure:
            return  # what the engine has is not known
        lost = self._cni.lost_sandboxes(self._cache.sandbox_ids())
        for sandbox_id in sorted(lost):
            try:
                await self._cni.delete(Attachment(sandbox_id, 0, "", "", ""))
            except NetworkError as error:
                log.warning("network of lost sandbox %s: %s", sandbox_id[:12], error)
            else:
                log.info("network of lost sandbox %s is given back", sandbox_id[:12])
        # At our start, too: who died may have left something that no file tells.
        if lost or self._round % COLLECT_EVERY == 0:
            for address in await self._cni.collect():
                log.info("address %s belonged to no sandbox and is free again", address)

    # -- CHECK

    def _wired(self) -> list[str]:
        """Running sandboxes with a network of their own."""
        known = self._cni.known_sandboxes()
        return sorted(
            id
            for id in self._cache.sandbox_ids() & known
            if (record := self._cache.record(id)) is not None and record.state is State.RUNNING
        )

    async def check_some(self) -> None:
        """Look at those that are new to us, at no more than so many, or else at the next in turn."""
        wired = self._wired()
        self._seen &= set(wired)
        new = [id for id in wired if id not in self._seen][:NEW_MAX]
        self._unchecked = [id for id in self._unchecked if id in self._seen] or wired
        for sandbox_id in new or self._unchecked[-1:]:
            self._seen.add(sandbox_id)
            self._unchecked = [id for id in self._unchecked if id != sandbox_id]
            await self._check(sandbox_id)

    async def _check(self, sandbox_id: str) -> None:
        trouble = await self._trouble(sandbox_id)
        if not trouble:
            return
        log.warning("network of sandbox %s: %s", sandbox_id[:12], trouble)
        await self._clock.sleep(SURE_SECONDS)
        trouble = await self._trouble(sandbox_id)
        record = self._cache.record(sandbox_id)
        if trouble and record is not None:
            self._say(record.pod_uid, "NetworkCheckFailed", f"Pod network is broken: {trouble}")
            await self._runtime.signal(sandbox_id, "SIGKILL")

    async def _trouble(self, sandbox_id: str) -> str:
        """Empty, too, for a sandbox that is being made, or has gone meanwhile."""
        before = self._cache.record(sandbox_id)
        if before is None or before.state is not State.RUNNING or self._cni.is_busy(sandbox_id):
            return ""
        trouble = await self._cni.check(_attachment(before))
        after = self._cache.record(sandbox_id)
        gone = after is None or after.state is not State.RUNNING or self._cni.is_busy(sandbox_id)
        return "" if gone or sandbox_id not in self._cni.known_sandboxes() else trouble


def _attachment(record: ContainerRecord) -> Attachment:
    who = record.identity
    return Attachment(record.id, record.pid, who.pod_namespace, who.pod_name, who.pod_uid)
