"""The kernel's table of one family, kept equal to the parts it was given.

One `nft -f -` per change, holding only the difference. At the start, and when a change was refused or
somebody removed the table, the difference is that between all parts and what the kernel has. Emptied
chains are deleted a while later (see `render`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from proxy import found
from proxy.commands import CommandError, run
from proxy.family import Family
from proxy.probe import count_rules
from proxy.render import SETS, frame, frame_name, frame_rules, no_table, removal, render
from proxy.ruleset import Change, Clash, Ledger, Part
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

STALE_SECONDS_MIN: Final = 1.0  # between emptying a chain and deleting it
WRITE_SECONDS_MAX: Final = 60.0  # tens of thousands of elements on a busy machine


class Filter:
    """Not for concurrent use: its owner syncs one change after the other."""

    def __init__(self, family: Family, clock: Clock) -> None:
        self.family = family
        self._clock = clock
        self._frame = frame_rules(family)
        self._ledger: Ledger | None = None
        self._stale_chains: dict[str, float] = {}
        self._stale_sets: dict[str, float] = {}
        self._anew = False  # comparing with what is there failed: replace it
        self.written = 0  # bytes, for measuring

    @property
    def known(self) -> bool:
        """Whether we know what the kernel holds; else all parts are wanted."""
        return self._ledger is not None

    async def apply_all(self, parts: Mapping[str, Part]) -> tuple[Clash, ...]:
        """Make these parts the table, whatever is there. CommandError when the kernel refuses."""
        self._ledger = None
        self._stale_chains.clear()
        self._stale_sets.clear()
        present = None if self._anew else await self._found()
        self._anew = True
        ledger = Ledger(present) if present is not None else Ledger()
        change = ledger.take_over(parts)
        head = "" if present is not None else frame(self.family)
        await self._write(head + render(change, self.family))
        self._ledger, self._anew = ledger, False
        self._note(change)
        return change.clashes

    async def apply(self, parts: Mapping[str, Part]) -> tuple[Clash, ...]:
        """Give some owners other parts. CommandError when the kernel refuses: then nothing is known."""
        ledger, self._ledger = self._ledger, None
        assert ledger is not None, "apply_all comes first"
        change = ledger.replace(parts)
        if change:
            await self._write(render(change, self.family))
        self._ledger = ledger
        self._note(change)
        return change.clashes

    async def _write(self, text: str) -> None:
        if text:
            await run(("nft", "-f", "-"), text, seconds=WRITE_SECONDS_MAX)
            self.written += len(text)
            log.debug("wrote %d bytes of %s rules", len(text), self.family.word)

    def _note(self, change: Change) -> None:
        """Note what fell out of use now, and what came back."""
        now = self._clock.monotonic()
        for name in change.chains:
            self._stale_chains.pop(name, None)
        for name in change.sets:
            self._stale_sets.pop(name, None)
        self._stale_chains.update(dict.fromkeys(change.stale_chains, now))
        self._stale_sets.update(dict.fromkeys(change.stale_sets, now))

    async def _found(self) -> Part | None:
        """The kernel's table, if it is one of ours with the same frame."""
        if not self._stands():
            return None
        words = ("nft", "list", "table", *self.family.table.split())
        listing = await run(words, seconds=WRITE_SECONDS_MAX)
        full, empty, sets = found.outline(listing)
        mine = frame_name(self.family)
        if mine not in empty:
            return None
        self._stale_chains.update(dict.fromkeys(empty - {mine} - self._frame.keys(), 0.0))
        # What is remembered of clients is the kernel's own.
        remembered = {name for name in sets if name.startswith("clients-")}
        held = found.elements(listing, sets - remembered)
        return found.part_of(full - self._frame.keys(), sets - set(SETS), held)

    def _stands(self) -> bool:
        """Whether the table is there with the frame's rules; what parts it has is not looked at."""
        try:
            held = count_rules(self.family.version, self.family.table.split()[1], self._frame)
        except OSError as error:
            log.warning("the table %s cannot be looked at: %s", self.family.table, error)
            return True
        return held == self._frame

    async def sweep(self) -> bool:
        """Delete chains and sets that have been out of use for a while; False when it is refused."""
        before = self._clock.monotonic() - STALE_SECONDS_MIN
        chains = [name for name, since in self._stale_chains.items() if since <= before]
        sets = [name for name, since in self._stale_sets.items() if since <= before]
        if not chains and not sets:
            return True
        for name in chains:
            del self._stale_chains[name]
        for name in sets:
            del self._stale_sets[name]
        try:
            await self._write(removal(chains, sets, self.family))
        except CommandError as error:
            log.warning("stale chains cannot be deleted, all rules are compared: %s", error)
            self._ledger = None
            return False
        return True

    def check(self) -> None:
        """Notice when somebody removed or emptied the table; `known` then says that all parts are wanted."""
        if self._ledger is not None and not self._stands():
            log.warning("the table %s is not as it was, writing it again", self.family.table)
            self._ledger = None


async def remove_table(family: Family) -> None:
    await run(("nft", "-f", "-"), no_table(family))
