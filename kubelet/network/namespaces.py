"""Which addresses a process's network namespace has, read off /proc: no plug-in, no program is asked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
_LEAF = re.compile(r"\|-- (\S+)")
_GLOBAL_SCOPE = "00"


def addresses(pid: int, interface: str, proc: Path = PROC) -> list[str]:
    """Global addresses, IPv4 first; empty when the process has gone or has none.

    The kernel names no interface for IPv4: all but loopback count, and a sandbox has but one.
    """
    net = proc / str(pid) / "net"
    try:
        four = list(dict.fromkeys(_local(net.joinpath("fib_trie").read_text())))
    except OSError:
        return []
    try:
        six = list(_six(net.joinpath("if_inet6").read_text(), interface))
    except OSError:
        six = []  # a kernel without IPv6
    return four + six


def _local(trie: str) -> Iterator[str]:
    """Addresses that the routing trie calls local to this machine."""
    leaf = ""
    for line in trie.splitlines():
        found = _LEAF.search(line)
        if found:
            leaf = found.group(1)
        elif "/32 host LOCAL" in line and not ipaddress.ip_address(leaf).is_loopback:
            yield leaf


def _six(table: str, interface: str) -> Iterator[str]:
    for line in table.splitlines():
        digits, _, _, scope, _, name = line.split()
        if name == interface and scope == _GLOBAL_SCOPE:
            yield str(ipaddress.IPv6Address(int(digits, 16)))
