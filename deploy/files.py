"""Files written whole or not at all, with the rights they need from their first byte."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def write_atomic(path: Path, data: bytes, mode: int, owner: str = "", group: str = "") -> None:
    """Replace `path` in one step; a reader sees the old content or the new, never a part.

    owner: the user it belongs to; "" = whoever runs this
    group: the user whose group it belongs to; "" = the owner's
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask took away
        if owner:
            os.fchown(descriptor, pwd.getpwnam(owner).pw_uid, pwd.getpwnam(group or owner).pw_gid)
        file.write(data)
    temporary.replace(path)


def write_private(path: Path, data: bytes, owner: str = "") -> None:
    """Only its owner may read it: keys, kubeconfigs, tokens."""
    write_atomic(path, data, 0o600, owner)


def write_public(path: Path, data: bytes) -> None:
    write_atomic(path, data, 0o644)
