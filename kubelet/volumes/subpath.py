"""subPath mounts that cannot be led out of their volume by a link.

The path is opened *beneath* the volume (openat2 RESOLVE_BENEATH: links count only as far as they
stay inside), missing folders are made one by one on open descriptors, and what was opened is bound
to a place only the kubelet writes to. The container is given that place, so that exchanging a
folder for a link later changes nothing.

Source: upstream's pkg/volume/util/subpath and its CVE-2017-1002101, CVE-2021-25741.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kubelet.volumes import linux
from kubelet.volumes.interface import VolumeError

_FOLDER_MODE = 0o750


def bind(volume: Path, sub_path: str, target: Path) -> Path:
    """Bind `volume/sub_path` to `target` (idempotent) and return the place to mount from."""
    parts = sub_path.split("/")
    if sub_path.startswith("/") or ".." in parts:
        raise VolumeError("CreateContainerConfigError", f"subPath {sub_path!r} is not relative")
    try:
        if linux.mounted(target):
            linux.unmount(target)
        root = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = _open_or_make(root, [part for part in parts if part not in ("", ".")])
        finally:
            os.close(root)
        try:
            _make_target(target, is_folder=stat.S_ISDIR(os.fstat(found).st_mode))
            linux.mount(f"/proc/self/fd/{found}", target, flags=linux.MS_BIND)
        finally:
            os.close(found)
    except OSError as error:
        message = f'failed to prepare subPath for volumeMount "{sub_path}": {error.strerror}'
        raise VolumeError("CreateContainerConfigError", message) from error
    return target


def _open_or_make(root: int, parts: list[str]) -> int:
    """A descriptor on the path below root; folders that are missing at its end are made."""
    path = "/".join(parts) or "."
    try:
        return linux.open_beneath(root, path, os.O_PATH)
    except FileNotFoundError:
        parent = _open_or_make(root, parts[:-1])
        try:
            os.mkdir(parts[-1], _FOLDER_MODE, dir_fd=parent)
            made = linux.open_beneath(parent, parts[-1], os.O_RDONLY | os.O_NOFOLLOW)
            os.fchmod(made, stat.S_IMODE(os.fstat(parent).st_mode))
            return made
        finally:
            os.close(parent)


def _make_target(target: Path, *, is_folder: bool) -> None:
    target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        if is_folder:
            return
        target.rmdir()
    elif target.exists():
        if not is_folder:
            return
        target.unlink()
    if is_folder:
        target.mkdir(mode=_FOLDER_MODE)
    else:
        target.touch(mode=0o640)
