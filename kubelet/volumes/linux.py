"""The few system calls volumes need and Python lacks: mount, umount2, openat2; and mountinfo.

Blocking. Errors are OSError. Nothing here knows of pods.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
_MNT_DETACH = 2
_SYS_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS, _RESOLVE_BENEATH = 0x02, 0x08

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def mount(source: str, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    found = _libc.mount(
        source.encode(), os.fsencode(target), kind.encode() or None, flags, data.encode() or None
    )
    _check(found, str(target))


def unmount(target: Path) -> None:
    """Detach; a container that still has it open keeps its own view."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH), str(target))


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_beneath(folder: int, path: str, flags: int) -> int:
    """openat2 that follows links only within the folder `folder` is open on."""
    how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    result = _libc.syscall(
        _SYS_OPENAT2, folder, path.encode(), ctypes.byref(how), ctypes.sizeof(how)
    )
    return _check(result, path)


def mounts_below(folder: Path) -> list[Path]:
    """Mount points at or below the folder, deepest first."""
    root = os.path.realpath(folder)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        raw = line.split(" ")[4]
        point = raw.encode().decode("unicode_escape") if "\\" in raw else raw
        if point == root or point.startswith(root + "/"):
            found.append(Path(point))
    return sorted(found, key=lambda point: len(point.parts), reverse=True)


def mounted(target: Path) -> bool:
    return Path(os.path.realpath(target)) in mounts_below(target)
