"""Remembered UDP flows that a change of endpoints made wrong.

The kernel translates every packet of a known flow as it did the first. TCP ends by itself; a UDP
client that keeps its socket would send to a vanished endpoint, or to none at all, for ever. So the
flows concerned are forgotten. Source: pkg/proxy/conntrack/cleanup.go of upstream.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from proxy.commands import CommandError, run
from proxy.compile import Frontend
from proxy.family import Family

log = logging.getLogger(__name__)

FLUSHES_MAX: Final = 200  # of one change; beyond, all translated UDP flows are forgotten
ALL_TRANSLATED: Final = ("--dst-nat",)
Flow = tuple[str, ...]  # what conntrack's -D is told beyond the protocol
Answering = Mapping[Frontend, frozenset[str]]  # where UDP clients send to → who answers


def stale_flows(old: Answering, new: Answering) -> list[Flow]:
    """The flows to forget after `old` was replaced by `new`."""
    flows: list[Flow] = []
    for frontend in sorted({*old, *new}):
        was, now = old.get(frontend, frozenset()), new.get(frontend, frozenset())
        if now and not was:
            flows.append(_to(frontend))
        flows += [(*_to(frontend), "--dst-nat", address) for address in sorted(was - now)]
    return flows


def _to(frontend: Frontend) -> Flow:
    port = ("--dport", str(frontend.port))
    return ("--orig-dst", frontend.address, *port) if frontend.address else port


async def forget(flows: Sequence[Flow], family: Family) -> None:
    """Drop these flows; without the tool this is logged and service goes on."""
    chosen = flows if len(flows) <= FLUSHES_MAX else [ALL_TRANSLATED]
    for flow in chosen:
        try:
            await run(("conntrack", "-D", "-f", f"ipv{family.version}", "-p", "udp", *flow))
        except CommandError as error:
            if error.code != 1:  # 1: no such flow, which is what we want
                log.warning("stale UDP flows stay: %s", error)
                return
