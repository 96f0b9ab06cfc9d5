"""The pod network's own nftables table: what leaves the cluster gets this node's address, and VXLAN
packets of strangers are dropped.

Pods' addresses mean nothing outside the cluster, so a pod that speaks to an outsider speaks with its
node's address. Between pods, and to nodes on a network this machine is on (they have routes back),
the pod's own address stays. A node beyond a router counts as an outsider: routers drop sources they
do not know.

The table is small and written whole. What the kernel prints right after writing is remembered: when
it prints something else later, somebody else's hand was in it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from proxy.commands import CommandError, run
from wherry.daemon.links import Address, Network

log = logging.getLogger(__name__)

TABLE: Final = "wherry-pods"  # one for each family: a kernel without IPv6 still does IPv4
_NFT: Final = ("nft", "-f", "-")
_WORDS: Final = {4: "ip", 6: "ip6"}  # nftables' names of families and of their headers


@dataclass(frozen=True, slots=True)
class Leaving:
    """One IP family's part.

    pods:       the ranges inside the cluster
    near:       nodes' addresses that pods reach with their own address
    vxlan_port: which is for `vxlan_from` only; 0: no VXLAN here
    """

    pods: frozenset[Network] = frozenset()
    near: frozenset[Address] = frozenset()
    vxlan_port: int = 0
    vxlan_from: frozenset[Address] = frozenset()


def render(leaving: Leaving, version: int) -> str:
    """The text for `nft -f -`: the whole table, in one transaction; nothing to do: no table."""
    if not leaving.pods and not leaving.vxlan_port:
        return no_table(version)
    word = _WORDS[version]
    lines = [
        f"table {word} {TABLE} {{",
        _set("pods", version, leaving.pods),
        _set("near", version, leaving.near),
        _set("vxlan", version, leaving.vxlan_from),
        "chain postrouting { type nat hook postrouting priority srcnat; policy accept;",
        f"{word} saddr @pods {word} daddr != @pods {word} daddr != @near"
        ' oifname != "lo" masquerade fully-random',
        "}",
    ]
    if leaving.vxlan_port:
        lines += [
            "chain input { type filter hook input priority filter; policy accept;",
            f"udp dport {leaving.vxlan_port} {word} saddr != @vxlan drop",
            "}",
        ]
    return no_table(version) + "\n".join([*lines, "}", ""])


def no_table(version: int) -> str:
    """The text that removes the table, there or not."""
    name = f"{_WORDS[version]} {TABLE}"
    return f"add table {name}\ndelete table {name}\n"


def _set(name: str, version: int, members: Iterable[Network | Address]) -> str:
    texts = sorted(map(str, members))
    elements = f" elements = {{ {', '.join(texts)} }};" if texts else ""
    return f"set {name} {{ type ipv{version}_addr; flags interval; auto-merge;{elements} }}"


class LeavingTable:
    """One family's table in the kernel. Not for concurrent use."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._written: Leaving | None = None
        self._listing = ""

    async def ensure(self, wanted: Leaving) -> bool:
        """Write the table if it is not as wanted; True when it was written. CommandError if refused."""
        if wanted == Leaving() and not await _listed(self._version):
            self._written, self._listing = wanted, ""
            return False
        if self._written == wanted and await _listed(self._version) == self._listing:
            return False
        self._written = None  # until we know better
        await run(_NFT, render(wanted, self._version))
        self._listing = await _listed(self._version)
        self._written = wanted
        log.info("%s %s written: %d pod ranges", _WORDS[self._version], TABLE, len(wanted.pods))
        return True


async def _listed(version: int) -> str:
    """The kernel's table as text; "" when there is none."""
    try:
        return await run(("nft", "-s", "list", "table", _WORDS[version], TABLE))
    except CommandError as error:
        if error.code is None:
            raise
        return ""


async def remove_tables() -> None:
    """Take out both families' tables, as far as they are there."""
    for version in _WORDS:
        if await _listed(version):
            await run(_NFT, no_table(version))
