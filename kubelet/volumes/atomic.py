"""Put a payload on disk so that readers see the old files or the new ones, never a mixture.

Layout as upstream's AtomicWriter, which programs rely on:

    key            → ..data/key
    ..data         → ..2026_11_21_17_00_00.123456789
    ..2026_.../key   the content

A change writes a new timestamped folder and swaps the `..data` link. Blocking; call it off the loop.
"""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

from kubelet.volumes.payload import File, Payload

DATA = "..data"
_DATA_NEW = "..data_tmp"


def write(folder: Path, payload: Payload, now: datetime) -> bool:
    """Make `folder` hold the payload; True when something changed."""
    for path in payload:
        _check(path)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    current = folder / DATA
    old = current.resolve() if current.is_symlink() else None
    if old is not None and old.is_dir() and _holds(old, payload):
        _link_names(folder, payload)
        return False
    fresh = _write_new(folder, payload, now)
    swap = folder / _DATA_NEW
    swap.unlink(missing_ok=True)
    swap.symlink_to(fresh.name)
    swap.replace(current)
    _link_names(folder, payload)
    for stale in folder.iterdir():
        if stale.name.startswith("..") and stale.name not in (DATA, fresh.name):
            shutil.rmtree(stale)
    return True


def _check(path: str) -> None:
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or parts[0].startswith("..") or not path:
        raise ValueError(f"invalid path {path!r}: must be relative and stay in the volume")


def _holds(folder: Path, payload: Payload) -> bool:
    """Does the folder hold exactly these files? Modes count, as a changed mode is a change."""
    there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    if there != set(payload):
        return False
    for path, wanted in payload.items():
        file = folder / path
        status = file.stat()
        if file.read_bytes() != wanted.content:
            return False
        if wanted.owner is not None and status.st_uid != wanted.owner:
            return False
        # fsGroup adds group bits after us; the owner's bits are ours alone.
        if (status.st_mode ^ wanted.mode) & 0o700:
            return False
    return True


def _write_new(folder: Path, payload: Payload, now: datetime) -> Path:
    base = now.strftime("..%Y_%m_%d_%H_%M_%S.%f")
    fresh, attempt = folder / base, 0
    while fresh.exists():
        attempt += 1
        fresh = folder / f"{base}{attempt}"
    fresh.mkdir()
    fresh.chmod(0o755)
    for path, wanted in payload.items():
        _write_file(fresh, path, wanted)
    return fresh


def _write_file(folder: Path, path: str, wanted: File) -> None:
    target = folder / path
    for parent in reversed(target.relative_to(folder).parents[:-1]):
        (folder / parent).mkdir(exist_ok=True)
        (folder / parent).chmod(0o755)
    target.write_bytes(wanted.content)
    target.chmod(wanted.mode)
    if wanted.owner is not None:
        os.chown(target, wanted.owner, -1)


def _link_names(folder: Path, payload: Payload) -> None:
    """One link in the volume for each first path component; links to nothing go."""
    wanted = {path.split("/")[0] for path in payload}
    for name in wanted:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
    for link in folder.iterdir():
        if not link.name.startswith("..") and link.is_symlink() and link.name not in wanted:
            link.unlink()
