"""Remembered UDP flows that a change of endpoints made wrong.

The kernel translates every packet of a known flow as it did the first. TCP ends by itself; a UDP
client that keeps its socket would send to a vanished endpoint, or to none at all, for ever. So the
flows concerned are forgotten: whatever is not answered by one of its Service's endpoints, also what
went wrong while no proxy looked. Source: pkg/proxy/conntrack/cleanup.go of upstream.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Final

from proxy.commands import CommandError, run
from proxy.compile import Frontend
from proxy.family import Family

log = logging.getLogger(__name__)

DELETIONS_MAX: Final = 200  # of one change; beyond, all translated UDP flows are forgotten
ALL_TRANSLATED: Final = ("--dst-nat",)
Flow = tuple[str, ...]  # what conntrack's -D is told beyond the protocol
Answering = Mapping[Frontend, frozenset[str]]  # where UDP clients send to → who answers

# A flow as it is listed: the way there, then the way back as it is expected.
_FLOW: Final = re.compile(r"dst=(\S+) sport=\d+ dport=(\d+) .*?src=(\S+) ")


def stale_flows(listing: str, answering: Answering) -> list[Flow]:
    """Which of these flows go to a Service and are answered by none of its endpoints."""
    found: dict[Flow, None] = {}
    for address, port, answers in _FLOW.findall(listing):
        number = int(port)
        wanted = answering.get(Frontend(address, "udp", number))
        if wanted is None:
            wanted = answering.get(Frontend("", "udp", number))
        if wanted is not None and answers not in wanted:
            found["--orig-dst", address, "--dport", port, "--reply-src", answers] = None
    return list(found)


class Flows:
    """One family's UDP flows, and where they may go."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._answering: dict[str, Answering] = {}  # by Service

    async def follow(self, changes: Mapping[str, Answering], *, whole: bool) -> int | None:
        """Forget what these Services' endpoints made stale; how many flows. None: nobody looked.

        whole: these are all Services
        """
        known = self._answering
        before = dict(known) if whole else {key: known.get(key, {}) for key in changes}
        if not whole and all(before[key] == one for key, one in changes.items()):
            return None
        now = {**({} if whole else known), **changes}
        self._answering = {key: one for key, one in now.items() if one}
        wanted = self._wanted(before.values())
        return await self._forget(wanted) if wanted else None

    def _wanted(self, gone: Iterable[Answering]) -> Answering:
        """Two Services may claim one address: either's endpoints will do."""
        wanted: dict[Frontend, frozenset[str]] = {}
        for one in gone:
            wanted.update(dict.fromkeys(one, frozenset()))
        for one in self._answering.values():
            for frontend, addresses in one.items():
                wanted[frontend] = wanted.get(frontend, frozenset()) | addresses
        return wanted

    async def _forget(self, answering: Answering) -> int:
        """Without the tool this is logged and service goes on."""
        kind = ("-f", f"ipv{self._family.version}", "-p", "udp")
        count = 0
        try:
            flows = stale_flows(await run(("conntrack", "-L", *kind)), answering)
            for flow in flows if len(flows) <= DELETIONS_MAX else [ALL_TRANSLATED]:
                try:
                    count += (await run(("conntrack", "-D", *kind, *flow))).count("\n")
                except CommandError as error:
                    if error.code != 1:  # 1: it has gone meanwhile
                        raise
        except CommandError as error:
            log.warning("stale UDP flows stay: %s", error)
        return count
