"""hostPath volumes: check (or make) what the pod says is there.

Source: upstream's pkg/volume/hostpath checkType.
"""

from __future__ import annotations

import stat
from pathlib import Path

from kubelet.volumes.interface import VolumeError

_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def prepare(path: Path, kind: str) -> None:
    """Make the path if its type says so, then hold it against the type."""
    if kind == "" or kind not in _CHECKS:
        return
    try:
        if kind == "DirectoryOrCreate" and not path.exists():
            path.mkdir(mode=0o755, parents=True)
        if kind == "FileOrCreate" and not path.exists():
            path.touch(mode=0o644)
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise _refused(path, kind) from error
    except OSError as error:
        raise VolumeError("FailedMount", f"hostPath type check failed: {error}") from error
    if not _CHECKS[kind][0](mode):
        raise _refused(path, kind)


def _refused(path: Path, kind: str) -> VolumeError:
    what = _CHECKS[kind][1]
    return VolumeError("FailedMount", f"hostPath type check failed: {path} is not {what}")
