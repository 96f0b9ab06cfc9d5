"""The node's address: as `--node-ip` says, else the default route's, which may change while we run.

A dual-stack node is told both of its addresses; the first is the one that it is spoken to by.

The node stays the same one: what names it is its key, and everything that tells the address (Node,
pods' hostIP, the addresses of pods on the machine's own network, the serving certificate) follows.
A machine that has no default route for a while keeps the address that it had.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import ip_address

from kubelet.node import machine
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


def node_ips(text: str) -> tuple[str, ...]:
    """`--node-ip`: nothing, an address, or one of each family. Upstream: ParseNodeIPArgument."""
    ones = tuple(str(ip_address(one.strip())) for one in text.split(",") if one.strip())
    if len(ones) > 2 or (len(ones) == 2 and len({":" in one for one in ones}) == 1):
        raise ValueError(f"{text!r} must be one address or one of each IP family")
    return ones


class NodeAddress:
    """`current` is empty only when the machine has never had one."""

    def __init__(self, fixed: str, find: Callable[[], str] = machine.default_address) -> None:
        """ValueError when `fixed` (`--node-ip`) is neither an address nor one of each IP family."""
        ones = node_ips(fixed)
        self._fixed = next(iter(ones), "")
        self._others = ones[1:]
        self._find = find
        self.current = self._fixed or find()

    @property
    def all(self) -> tuple[str, ...]:
        """The current one and that of the other family, if there is one."""
        return (self.current, *self._others)

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
