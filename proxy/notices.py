"""Hears that somebody changed this machine's packet filter, routes or addresses.

The kernel tells members of netlink's multicast groups of every change, our own too. Only *that*
something changed is noted, not what: whoever is told looks for itself. When changes come faster than
they are read the kernel drops them and says so, which is as good as a change.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

log = logging.getLogger(__name__)

READS_MAX: Final = 64  # at one go; the rest in the next turn of the loop
# include/uapi/linux/netlink.h, rtnetlink.h, nfnetlink.h
SOL_NETLINK, ADD_MEMBERSHIP = 270, 1
NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
ROUTE_GROUPS: Final = (5, 9, 7, 11)  # IPv4 and IPv6 addresses, IPv4 and IPv6 routes
FILTER_GROUPS: Final = (7,)  # nf_tables, which today's iptables is made of


@contextmanager
def listening(changed: Callable[[], None]) -> Iterator[None]:
    """Call `changed` after every change while inside. Without netlink this is logged and silent."""
    loop = asyncio.get_running_loop()
    sockets: list[socket.socket] = []
    try:
        for protocol, groups in ((NETLINK_ROUTE, ROUTE_GROUPS), (NETLINK_NETFILTER, FILTER_GROUPS)):
            try:
                opened = socket.socket(
                    socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol
                )
                sockets.append(opened)
                opened.setblocking(False)
                opened.bind((0, 0))
                for group in groups:
                    opened.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)
            except OSError as error:
                log.warning("changes by others are only found by looking now and then: %s", error)
                continue
            loop.add_reader(opened, _read, opened, changed)
        yield
    finally:
        for one in sockets:
            loop.remove_reader(one)
            one.close()


def _read(source: socket.socket, changed: Callable[[], None]) -> None:
    for _ in range(READS_MAX):
        try:
            source.recv(1)  # the rest of the message goes with it
        except BlockingIOError:
            break
        except OSError as error:  # ENOBUFS: some were dropped
            log.debug("netlink: %s", error)
    changed()
