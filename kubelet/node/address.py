"""The node's address: as `--node-ip` says, else the default route's, which may change while we run.

The node stays the same one: what names it is its key, and everything that tells the address (Node,
pods' hostIP, the addresses of pods on the machine's own network, the serving certificate) follows.
A machine that has no default route for a while keeps the address that it had.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kubelet.node import machine
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class NodeAddress:
    """`current` is empty only when the machine has never had one."""

    def __init__(self, fixed: str, find: Callable[[], str] = machine.default_address) -> None:
        self._fixed = fixed
        self._find = find
        self.current = fixed or find()

    def look(self) -> bool:
        """Look again; True when it has changed."""
        found = self._fixed or self._find()
        if not found or found == self.current:
            return False
        log.warning("the node's address was %s and is %s now", self.current, found)
        self.current = found
        return True

    async def run(self, clock: Clock, changed: Callable[[str], None]) -> None:
        """Tell each change until cancelled; returns at once when it can't change."""
        while not self._fixed:
            await clock.sleep(LOOK_SECONDS)
            if self.look():
                changed(self.current)
