"""Folders that a daemon without root needs, though they lie behind a door closed to it.

A checkout or a Python below root's home is such a case. Nobody's doors are opened: the daemon gets a
view of the files of its own (a mount namespace), in which the closed folder is an empty one with
just the needed folders in it. So root's home is hidden from it, too.
"""

from __future__ import annotations

import shlex
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

FIRST_FD, LAST_FD = 3, 9  # what a POSIX shell can name
TMPFS = "mode=755,size=1m,nosuid,nodev"

Reveal = tuple[tuple[str, tuple[str, ...]], ...]  # closed folder → folders needed below it


class Closed(Exception):
    """A needed folder is itself closed to others."""


def program_folders() -> list[Path]:
    """What a daemon reads of Python and of this program."""
    return [Path(sys.base_prefix), Path(sys.prefix), Path(__file__).resolve().parents[1]]


def _is_closed(folder: Path) -> bool:
    return not folder.stat().st_mode & stat.S_IXOTH


def reveal(folders: Iterable[Path]) -> Reveal:
    """The first closed folder on the way to each of these. Closed when one of these is it.

    A folder that does not exist yet counts as open.
    """
    found: dict[str, list[str]] = {}
    for folder in dict.fromkeys(one.absolute() for one in folders):
        if folder.exists() and _is_closed(folder):
            raise Closed(f"{folder} is closed to other users")
        outside = [one for one in folder.parents if one.exists()]
        closed = next((one for one in reversed(outside) if _is_closed(one)), None)
        if closed is not None:
            found.setdefault(str(closed), []).append(str(folder))
    if sum(map(len, found.values())) > LAST_FD - FIRST_FD + 1:
        raise Closed(f"too many folders behind {', '.join(found)}")
    return tuple((closed, tuple(below)) for closed, below in found.items())


def prefix(view: Reveal) -> tuple[str, ...]:
    """The words before a command (as root) that give it this view."""
    if not view:
        return ()
    opens, mounts, closes = [], [], []
    number = FIRST_FD
    for closed, needed in view:
        mounts.append(f"mount -t tmpfs -o {TMPFS} tmpfs {shlex.quote(closed)}")
        for folder in map(shlex.quote, needed):
            # Held open, as it is out of reach by name once its parent is covered.
            opens.append(f"exec {number}<{folder}")
            mounts += [f"mkdir -p {folder}", f"mount -c --bind /proc/self/fd/{number} {folder}"]
            closes.append(f"exec {number}<&-")
            number += 1
    script = "\n".join((*opens, *mounts, *closes, 'exec "$@"'))
    return ("unshare", "--mount", "--propagation=private", "--", "sh", "-ec", script, "sh")
