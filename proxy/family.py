"""IPv4 and IPv6: the words in which nftables says the same thing of each.

The node has one table per family, made of the same text, so that a kernel without IPv6 (or without
its address translation) still does IPv4.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, NamedTuple


class Family(NamedTuple):
    """word: nftables' name of the family and of its header; slices: the EndpointSlices' addressType
    everything: the range of all addresses
    """

    version: int
    word: str
    slices: str
    everything: str

    @property
    def table(self) -> str:
        return f"{self.word} wherry"

    @property
    def type(self) -> str:
        return f"ipv{self.version}_addr"

    def place(self, address: str, port: int) -> str:
        """An address and port behind `dnat to`."""
        return f"{address}:{port}" if self.version == 4 else f"[{address}]:{port}"

    def addresses(self, texts: Iterable[str]) -> list[str]:
        """The addresses of this family among these texts, canonical, each once; all else is dropped."""
        found: dict[str, None] = {}
        for text in texts:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                continue
            if address.version == self.version and "%" not in text:
                found[str(address)] = None
        return list(found)

    def ranges(self, texts: Iterable[str]) -> list[str]:
        """The ranges of this family, overlapping and adjacent ones as one: the kernel refuses overlaps."""
        found = []
        for text in texts:
            try:
                network = ipaddress.ip_network(text.strip(), strict=False)
            except ValueError:
                continue
            if network.version == self.version:
                found.append(network)
        return [str(one) for one in ipaddress.collapse_addresses(found)]  # type: ignore[type-var]  # of one version


IP4: Final = Family(4, "ip", "IPv4", "0.0.0.0/0")
IP6: Final = Family(6, "ip6", "IPv6", "::/0")
FAMILIES: Final = (IP4, IP6)
