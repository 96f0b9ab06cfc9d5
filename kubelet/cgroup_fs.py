"""Pods' control groups on this machine, in every hierarchy there is (v1) or in the one (v2).

The engine makes them when it starts the first container of a pod; sizing them and taking them away is
ours. Blocking, but the files are the kernel's: a write is microseconds.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

ROOT = Path("/sys/fs/cgroup")


def relative(group: str) -> str:
    """A group as Docker names parents (`/a/b`, `a-b.slice`, `a-b.slice/c`), below a hierarchy's root."""
    first, _, rest = group.lstrip("/").partition("/")
    if not first.endswith(".slice"):
        return group.lstrip("/")
    return f"{_slice_path(first)}/{rest}" if rest else _slice_path(first)


def folders(parent: str, root: Path = ROOT) -> list[Path]:
    """Where a cgroup path may lie: under the unified root or under each controller."""
    below = relative(parent)
    places = [root, *(entry for entry in sorted(root.iterdir()) if entry.is_dir())]
    return [place / below for place in places if (place / below).is_dir()]


def is_unified(root: Path = ROOT) -> bool:
    """Whether this machine has cgroup v2."""
    return (root / "cgroup.controllers").exists()


def write(group: str, files: Iterable[tuple[str, str, str]], root: Path = ROOT) -> list[str]:
    """Put (controller, file, text) into effect on a group that is there; what did not work, in words."""
    troubles = []
    for controller, name, text in files:
        file = root / controller / relative(group) / name
        try:
            file.write_text(text)
        except FileNotFoundError:
            continue  # not a group of this controller, or it has ended
        except OSError as error:
            troubles.append(f"{name}={text}: {error.strerror}")
    return troubles


def stale(group: str, older_than: float, root: Path = ROOT) -> list[str]:
    """Names of the groups right below one, in any hierarchy, that are older than a moment (epoch)."""
    found = set()
    for folder in folders(group, root):
        for entry in folder.iterdir():
            with suppress(FileNotFoundError):
                if entry.is_dir() and entry.stat().st_mtime < older_than:
                    found.add(entry.name)
    return sorted(found)


def kill(group: str, root: Path = ROOT) -> int:
    """SIGKILL to every process in the group and below it; how many there were."""
    return _kill(_processes(group, root))


def kill_unborn(group: str, seconds: float, root: Path = ROOT) -> int:
    """SIGKILL to containers in the making in the group that nobody has started for so long.

    An engine that is killed while it starts a container forgets runc's process, which then waits for
    ever. A container that lives has another name, one that is being started is younger.
    """
    unborn = set()
    for pid in _processes(group, root):
        with suppress(OSError, ValueError):
            stat = Path(f"/proc/{pid}/stat").read_text()
            name, after = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :]
            started = int(after.split()[19]) / os.sysconf("SC_CLK_TCK")
            if (
                name.startswith("runc:[")
                and time.clock_gettime(time.CLOCK_BOOTTIME) - started > seconds
            ):
                unborn.add(pid)
    return _kill(unborn)


def _processes(group: str, root: Path) -> set[int]:
    """Of the group and of all below it."""
    pids = set()
    for folder in folders(group, root):
        for listed in folder.rglob("cgroup.procs"):
            with suppress(OSError):
                pids |= {int(line) for line in listed.read_text().split()}
    return pids


def _kill(pids: Collection[int]) -> int:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def remove(parent: str, root: Path = ROOT) -> bool:
    """Remove the (empty) cgroup and what is below it; False: it is busy, and some of it is left."""
    gone = True
    for folder in folders(parent, root):
        below = sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True)
        for path in (*below, folder):
            try:
                path.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                log.debug("cgroup %s stays: %s", path, error)
                gone = False
                break
    return gone


def _slice_path(name: str) -> str:
    """systemd nests `a-b-c.slice` as `a.slice/a-b.slice/a-b-c.slice`."""
    words = name.removesuffix(".slice").split("-")
    return "/".join("-".join(words[: n + 1]) + ".slice" for n in range(len(words)))
