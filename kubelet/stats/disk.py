"""How much disk something takes: a file system, or a folder and all below it. Blocking: call on a thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ENTRIES_MAX = 2_000_000  # of one folder; a tree beyond that is reported as far as it was walked
BLOCK_BYTES = 512  # the unit of st_blocks
KEPT_SECONDS = 10.0  # what a walk has found


@dataclass(frozen=True, slots=True)
class FileSystem:
    """The file system something is on."""

    capacity_bytes: int
    available_bytes: int
    inodes: int
    inodes_free: int

    @property
    def inodes_used(self) -> int:
        return self.inodes - self.inodes_free


@dataclass(frozen=True, slots=True)
class Taken:
    """What a folder takes on its own file system."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.bytes + other.bytes, self.inodes + other.inodes)


def file_system(path: Path) -> FileSystem:
    """OSError when the path is gone."""
    found = os.statvfs(path)
    unit = found.f_frsize
    return FileSystem(
        found.f_blocks * unit, found.f_bavail * unit, found.f_files, found.f_favail
    )  # fmt: skip


def taken(path: Path) -> Taken:
    """The blocks of a file, or of a folder and everything below it on the same file system.

    What vanishes while it is being looked at counts nothing; links are not followed.
    """
    try:
        top = path.lstat()
    except OSError:
        return Taken()
    size, inodes = top.st_blocks * BLOCK_BYTES, 1
    folders = [os.fspath(path)] if path.is_dir() and not path.is_symlink() else []
    while folders and inodes < ENTRIES_MAX:
        try:
            entries = os.scandir(folders.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if found.st_dev != top.st_dev:
                    continue  # a mount: not this folder's
                inodes += 1
                size += found.st_blocks * BLOCK_BYTES
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return Taken(size, inodes)


def of_mount(path: Path) -> Taken:
    """What is used of a file system of its own, such as a memory-backed emptyDir."""
    try:
        found = os.statvfs(path)
    except OSError:
        return Taken()
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    return Taken(used, found.f_files - found.f_ffree)


class Folders:
    """What folders take, walked at most every some seconds; used on one thread at a time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, Taken]] = {}

    def taken(self, path: str) -> Taken:
        """Nothing for no path."""
        if not path:
            return Taken()
        moment = self._monotonic()
        kept = self._kept.get(path)
        if kept is None or moment - kept[0] >= KEPT_SECONDS:
            self._kept = {k: v for k, v in self._kept.items() if moment - v[0] < KEPT_SECONDS}
            kept = self._kept[path] = (moment, taken(Path(path)))
        return kept[1]
