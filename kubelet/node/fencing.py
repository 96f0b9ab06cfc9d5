"""Self-fencing: a node that could not renew its Lease for T stops the pods of StatefulSets by itself.

So the controllers may give their names to other pods (T, the pods' grace period and a margin later) though
nobody can ask this machine. Off unless `--self-fencing-after=T` is given.

The clock is the machine's time since boot, which no one can set and which goes on while it is
suspended. It counts from *before* a renewal was asked for, as the controllers count from after they saw
it. What is needed to go on after a restart of ours (when the Lease was renewed, which pods run) lies in a
file; a file of an earlier boot says nothing, for nothing of that boot runs.

Source: Wherry's own; `controller_manager/nodelifecycle/fenced.py` is the other side.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kubelet import state_files
from wherry.api import fencing
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
LOOK_SECONDS = 0.5
WRITE_SHARE = 0.25  # of T: so much older than the truth may the file be
GRACE_SECONDS = 30  # of a pod that says nothing
NEVER = float("-inf")

Say = Callable[[str, str], None]


def boottime() -> float:
    """Seconds since boot, suspended time too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised with the last renewal of the Lease.

    boot:     which boot of the machine
    asked_at: seconds since then, from before the renewal was asked for
    pods:     uids of the pods it is about
    """

    boot: str
    asked_at: float
    pods: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, tree: object) -> Promise:
        if not isinstance(tree, dict):
            raise TypeError("not an object")
        return cls(str(tree["boot"]), float(tree["askedAt"]), frozenset(map(str, tree["pods"])))

    def tree(self) -> dict[str, object]:
        return {"boot": self.boot, "askedAt": self.asked_at, "pods": sorted(self.pods)}


def is_overdue(asked_at: float, after: float, now: float) -> bool:
    """Whether such pods must not run here any more."""
    return now >= asked_at + after


def concerns(pod: Pod) -> bool:
    """Whether the promise is about this pod."""
    owners = pod.metadata.owner_references
    return any(one.controller and one.kind == fencing.OWNER_KIND for one in owners)


def grace_of(pod: Pod) -> int:
    """How long it may take to end: no longer than the controllers wait for."""
    own = pod.spec.termination_grace_period_seconds
    return GRACE_SECONDS if own is None else own


def after_restart(kept: Promise | None, boot: str, now: float, *, corrupt: bool) -> Promise:
    """What holds when we begin.

    kept:    the file's; None when there is none that can be read
    corrupt: there is one, so something was promised: nobody knows when, so it is overdue
    """
    if corrupt:
        return Promise(boot, NEVER)
    if kept is None or kept.boot != boot:
        return Promise(boot, now)
    # A time that has not come yet is no truth either.
    return Promise(boot, kept.asked_at if kept.asked_at <= now else NEVER, kept.pods)


class Fencing:
    """Watches the Lease's age.

    pods: uids of the pods the promise is about that are here now; None before that is known
    stop: is told to end the pods it is about: these uids, and whatever else of them is here
    """

    def __init__(
        self,
        after: float,
        path: Path,
        clock: Clock,
        *,
        pods: Callable[[], Iterable[str] | None],
        stop: Callable[[frozenset[str], str], None],
        say: Say,
    ) -> None:
        self._after = after
        self._path = path
        self._clock = clock
        self._pods = pods
        self._stop = stop
        self._boot = BOOT_ID.read_text().strip()
        begun = self._begin(say)
        self._asked_at = begun.asked_at  # written by the lease's thread
        self._known = begun.pods
        self._written: Promise | None = None
        self._fenced = False
        self._keep()  # before the first renewal promises anything

    def _begin(self, say: Say) -> Promise:
        if not self._after:
            self._path.unlink(missing_ok=True)  # nothing is promised any more
            return Promise(self._boot, boottime())
        there = self._path.exists()
        kept = state_files.read(self._path, Promise.parse, say)
        return after_restart(kept, self._boot, boottime(), corrupt=there and kept is None)

    def renewed(self, asked_at: float) -> None:
        """The Lease was renewed; the request was sent at `asked_at` of `boottime`. From any thread."""
        self._asked_at = asked_at

    @property
    def is_overdue(self) -> bool:
        """Whether such pods must not be started."""
        return bool(self._after) and is_overdue(self._asked_at, self._after, boottime())

    async def run(self) -> None:
        """Until cancelled; ends at once when nothing was asked for."""
        while self._after:
            self._keep()
            overdue = self.is_overdue
            if overdue:
                words = f"the Lease was not renewed for {self._after:g} s: the node fences itself"
                if not self._fenced:
                    log.warning("%s", words)
                self._stop(self._known, words)
            elif self._fenced:
                log.info("the Lease is renewed: the node fences itself no more")
            self._fenced = overdue
            await self._clock.sleep(LOOK_SECONDS)

    def _keep(self) -> None:
        """Write what a successor must know, before too much of it is outdated."""
        if not self._after or self._asked_at == NEVER:
            return
        here = self._pods()
        self._known = self._known if here is None else frozenset(here)
        latest, old = Promise(self._boot, self._asked_at, self._known), self._written
        fresh = old is not None and latest.asked_at - old.asked_at < self._after * WRITE_SHARE
        if fresh and old is not None and latest.pods == old.pods:
            return
        try:
            state_files.write(self._path, latest.tree())
        except OSError as error:
            log.error("what this node promised can't be kept: %s", error)
            return
        self._written = latest
