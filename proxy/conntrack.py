"""Remembered UDP flows that a change of endpoints made wrong.

The kernel translates every packet of a known flow as it did the first. TCP ends by itself; a UDP
client that keeps its socket would send to a vanished endpoint, or to none at all, for ever. So the
flows concerned are forgotten. Source: pkg/proxy/conntrack/cleanup.go of upstream.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from proxy.commands import CommandError, run
from proxy.ruleset import Frontend, NodePort, Ruleset

log = logging.getLogger(__name__)

FLUSHES_MAX: Final = 200  # of one change; beyond, all translated UDP flows are forgotten
ALL_TRANSLATED: Final = ("--dst-nat",)
Flow = tuple[str, ...]  # what conntrack's -D is told beyond the protocol


def stale_flows(old: Ruleset, new: Ruleset) -> list[Flow]:
    """The flows to forget after `old` was replaced by `new`."""
    flows: dict[Flow, None] = {}
    before, after = _chains(old), _chains(new)
    destinations = {*before, *after, *old.refused, *old.refused_ports}
    for destination in sorted(destinations, key=lambda one: tuple(map(str, one))):
        if destination.protocol != "udp":
            continue
        was = _endpoints(old, before.get(destination))
        now = _endpoints(new, after.get(destination))
        if now and not was:
            flows[_to(destination)] = None
        for address in sorted(was - now):
            flows[(*_to(destination), "--dst-nat", address)] = None
    found = list(flows)
    return found if len(found) <= FLUSHES_MAX else [ALL_TRANSLATED]


def _chains(ruleset: Ruleset) -> dict[Frontend | NodePort, str]:
    found: dict[Frontend | NodePort, str] = dict(ruleset.services.items())
    found.update(ruleset.node_ports.items())
    return found


def _endpoints(ruleset: Ruleset, chain: str | None) -> set[str]:
    return {endpoint.address for endpoint in ruleset.chains[chain].endpoints} if chain else set()


def _to(destination: Frontend | NodePort) -> Flow:
    port = ("--dport", str(destination.port))
    if isinstance(destination, Frontend):
        return ("--orig-dst", destination.address, *port)
    return port


async def forget(flows: Sequence[Flow]) -> None:
    """Drop these flows; without the tool this is logged and service goes on."""
    for flow in flows:
        try:
            await run(("conntrack", "-D", "-p", "udp", *flow))
        except CommandError as error:
            if error.code != 1:  # 1: no such flow, which is what we want
                log.warning("stale UDP flows stay: %s", error)
                return
