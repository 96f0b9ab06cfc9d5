"""Asks the kernel how many rules a chain has, without starting `nft`, which reads far more than that.

Source: include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import Final

NETLINK_NETFILTER: Final = 12
GET_RULES: Final = 10 << 8 | 7  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE
REQUEST_DUMP: Final = 0x301
ERROR, DONE = 2, 3
TABLE, CHAIN = 1, 2  # NFTA_RULE_...
HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ANSWER_BYTES_MAX: Final = 1 << 17
SECONDS_MAX: Final = 2.0


def count_rules(version: int, table: str, chains: Iterable[str]) -> dict[str, int]:
    """Chain → its rules, 0 when it is not there. version: of IP. OSError when the kernel refuses."""
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
    ) as kernel:
        kernel.settimeout(SECONDS_MAX)
        found = {}
        for chain in chains:
            kernel.send(_request(version, table, chain))
            found[chain] = _count(kernel)
        return found


def _request(version: int, table: str, chain: str) -> bytes:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    body = struct.pack("=BBH", family, 0, 0) + _attribute(TABLE, table) + _attribute(CHAIN, chain)
    return HEADER.pack(HEADER.size + len(body), GET_RULES, REQUEST_DUMP, 0, 0) + body


def _attribute(kind: int, text: str) -> bytes:
    value = text.encode() + b"\0"
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _count(kernel: socket.socket) -> int:
    count = 0
    while True:
        answer, place = kernel.recv(ANSWER_BYTES_MAX), 0
        while place < len(answer):
            length, kind, *_ = HEADER.unpack_from(answer, place)
            if kind == DONE:
                return count
            if kind == ERROR:
                (code,) = struct.unpack_from("=i", answer, place + HEADER.size)
                raise OSError(-code, "nf_tables")
            count += 1
            place += length + -length % 4
