"""The kernel's table, kept equal to the last ruleset it was given.

One `nft -f -` per change, holding only the difference. When that fails, or when somebody removed the
table, the next change writes all of it. Emptied chains are deleted a while later (see `render`).
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable
from typing import Final

from proxy import render
from proxy.commands import CommandError, run
from proxy.ruleset import Ruleset
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

STALE_SECONDS_MIN: Final = 1.0  # between emptying a chain and deleting it
_NFT: Final = ("nft", "-f", "-")


class Filter:
    """Not for concurrent use: its owner syncs one change after the other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._applied: Ruleset | None = None
        self._stale_chains: dict[str, float] = {}
        self._stale_sets: dict[str, float] = {}

    @property
    def applied(self) -> Ruleset | None:
        """What the kernel holds; None when that is not known."""
        return self._applied

    async def apply(self, wanted: Ruleset) -> bool:
        """Bring the kernel to `wanted`; True if anything was written. CommandError when it refuses."""
        before = self._applied
        change = render.full(wanted) if before is None else render.diff(before, wanted)
        if not change.text:
            return False
        self._applied = None  # until we know better
        await run(_NFT, change.text)
        self._applied = wanted
        log.debug("wrote %d bytes of rules", len(change.text))
        if before is None:
            self._stale_chains.clear()
            self._stale_sets.clear()
        now = self._clock.monotonic()
        alive = render.objects(wanted)
        _age(self._stale_chains, change.stale_chains, alive.chains, now)
        _age(self._stale_sets, change.stale_sets, alive.sets, now)
        return True

    async def sweep(self) -> None:
        """Delete chains and sets that have been out of use for a while."""
        before = self._clock.monotonic() - STALE_SECONDS_MIN
        chains = [name for name, since in self._stale_chains.items() if since <= before]
        sets = [name for name, since in self._stale_sets.items() if since <= before]
        if not chains and not sets:
            return
        try:
            await run(_NFT, render.removal(chains, sets))
        except CommandError as error:
            log.warning("stale chains cannot be deleted, all rules are written again: %s", error)
            self._applied = None
        for name in chains:
            del self._stale_chains[name]
        for name in sets:
            del self._stale_sets[name]

    async def check(self) -> None:
        """Notice when somebody removed the table; the next `apply` then writes it anew."""
        if self._applied is not None and f"table {render.TABLE}\n" not in await run(
            ("nft", "list", "tables", "ip")
        ):
            log.warning("the table %s is gone, writing it again", render.TABLE)
            self._applied = None


def _age(stale: dict[str, float], fresh: Iterable[str], alive: Container[str], now: float) -> None:
    """Note what fell out of use now, and what came back."""
    stale.update(dict.fromkeys(fresh, now))
    for name in [name for name in stale if name in alive]:
        del stale[name]


async def remove_table() -> None:
    await run(_NFT, render.no_table())
