"""A connection into a pod, made from here: no helper runs in the container.

A socket belongs for life to the network namespace it was made in. So a thread that lives for this
only enters the pod's namespace and makes the socket; connecting and talking is the event loop's.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import Sequence

CONNECT_SECONDS_MAX = 10.0
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


async def connect(pid: int, addresses: Sequence[str], port: int) -> socket.socket:
    """Connect to the first address that answers, in the network namespace of a process.

    OSError (of the first address) when none does.
    """
    first_error: OSError | None = None
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            found = await asyncio.to_thread(_socket_of, pid, family)
        except OSError as error:
            first_error = first_error or error
            continue
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await asyncio.get_running_loop().sock_connect(found, (address, port))
            return found
        except OSError as error:  # TimeoutError is one
            found.close()
            first_error = first_error or error
        except BaseException:
            found.close()
            raise
    raise first_error or OSError("the pod has no address")


def _socket_of(pid: int, family: socket.AddressFamily) -> socket.socket:
    """A socket in the network namespace of a process."""
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def make() -> None:
        try:
            _enter(pid)
            made.append(socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        except OSError as error:
            failed.append(error)

    # Never a pool's thread: it would stay in the pod's namespace.
    thread = threading.Thread(target=make, name="netns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    made[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made[0]


def _enter(pid: int) -> None:
    """Move the calling thread into the namespace."""
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)
