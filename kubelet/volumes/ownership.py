"""fsGroup: make a volume's files the group's.

Source: upstream's pkg/volume/volume_linux.go (group id, rw or r for the group, setgid on folders).
"""

from __future__ import annotations

import os
from pathlib import Path

_GROUP_READ_WRITE, _GROUP_READ = 0o660, 0o440
_FOLDER_EXTRA = 0o2110  # enter, and let new files inherit the group


def set_group(folder: Path, group: int, *, read_only: bool) -> None:
    """Give everything below (and) the folder to the group; links are left alone."""
    bits = _GROUP_READ if read_only else _GROUP_READ_WRITE
    _own(folder, group, bits | _FOLDER_EXTRA)
    for root, folders, files in os.walk(folder):
        for name in folders:
            _own(Path(root, name), group, bits | _FOLDER_EXTRA)
        for name in files:
            _own(Path(root, name), group, bits)


def has_group(folder: Path, group: int) -> bool:
    """Whether the folder itself is as `set_group` leaves it: then what is below is taken to be so."""
    status = folder.stat()
    wanted = _GROUP_READ_WRITE | _FOLDER_EXTRA
    return status.st_gid == group and status.st_mode & wanted == wanted


def _own(path: Path, group: int, bits: int) -> None:
    status = path.lstat()
    os.chown(path, -1, group, follow_symlinks=False)
    if not path.is_symlink():
        path.chmod((status.st_mode & 0o7777) | bits)
