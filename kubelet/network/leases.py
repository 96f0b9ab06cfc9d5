"""Addresses that the `host-local` plug-in has given out: files named by them, in a folder of ours.

Plug-ins before version 1.1 of the specification can't be told which sandboxes there still are, so
what a sandbox left that nobody knows any more is freed here, under the plug-in's own lock. Only
the folder of our default network: one that an administrator names may have other users.

Source: the plug-in's pkg of disk storage (backend/disk: a file per address, its first line the
container's id; `lock` is flock'ed).
"""

from __future__ import annotations

import fcntl
import ipaddress
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

LOCK = "lock"
INTERFACE = "eth0"


def held(folder: Path) -> dict[str, str]:
    """Address → id of the sandbox that has it, over all networks below the folder."""
    return {path.name: _owner(path) for path in _files(folder)}


def release(folder: Path, known: Collection[str]) -> list[str]:
    """Free what no known sandbox has; the addresses. Blocks while a plug-in has the lock."""
    freed = []
    for network in sorted(one for one in folder.iterdir() if one.is_dir()):
        if all(_owner(path) in known for path in _files(folder, network.name)):
            continue
        with (network / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for path in _files(folder, network.name):
                if _owner(path) not in known:
                    path.unlink(missing_ok=True)
                    freed.append(path.name)
    return freed


def keep(folder: Path, network: str, owner: str, addresses: Iterable[str]) -> None:
    """Have these addresses given out to a sandbox that has them, where the files of that are lost."""
    place = folder / network
    place.mkdir(parents=True, exist_ok=True)
    with (place / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for address in addresses:
            path = place / address
            if not path.exists():
                path.write_text(f"{owner}\r\n{INTERFACE}")


def _files(folder: Path, network: str = "*") -> Iterator[Path]:
    for path in sorted(folder.glob(f"{network}/*")):
        try:
            # The plug-in writes the colons of IPv6 as they are on Linux.
            ipaddress.ip_address(path.name)
        except ValueError:
            continue
        yield path


def _owner(path: Path) -> str:
    try:
        return path.read_text(errors="replace").partition("\n")[0].strip()
    except FileNotFoundError:
        return ""
