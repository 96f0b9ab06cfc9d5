"""Power for the lab's machines: off is the death of all their processes at once, with no goodbye.

A machine's processes are those in its network namespace, the containers' shims (which name their
engine's containerd namespace) and all their descendants. They are frozen first, then their link is
taken away, then they are killed: so nobody sees a connection closed. What a real machine keeps only in
memory goes too: mounts, control groups, sockets. Its disk stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from deploy.preflight import Problem

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
GONE_SECONDS_MAX = 30.0
FREEZE_ROUNDS_MAX = 50
POLL_SECONDS = 0.02


def processes(namespace: str) -> set[int]:
    """The pids of what runs in a network namespace, of its engine's shims, and of all below them."""
    inode = Path(f"/run/netns/{namespace}").stat().st_ino
    shim = f"moby-{namespace}".encode()
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        with contextlib.suppress(OSError, IndexError):  # it ended while it was looked at
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            if stat[0] == "Z":
                continue
            parents[pid] = int(stat[1])
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if (entry / "ns/net").stat().st_ino == inode or shim in command:
                found.add(pid)
    return _with_descendants(found, parents) - {os.getpid()}


def _with_descendants(roots: set[int], parents: dict[int, int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = set(roots), list(roots)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def freeze(namespace: str) -> set[int]:
    """Stop every process where it stands, also those that are being made meanwhile."""
    frozen: set[int] = set()
    for _ in range(FREEZE_ROUNDS_MAX):
        fresh = processes(namespace) - frozen
        if not fresh:
            return frozen
        _signal(fresh, signal.SIGSTOP)
        frozen |= fresh
    raise Problem(f"processes of {namespace} are made faster than stopped", "wherry lab status")


def kill(pids: set[int]) -> None:
    """SIGKILL, and wait until none is left; their control groups go too."""
    groups = {group for pid in pids for group in _pod_groups(pid)}
    _signal(pids, signal.SIGKILL)
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while left := {pid for pid in pids if _lives(pid)}:
        if time.monotonic() > deadline:
            raise Problem(f"{len(left)} process(es) do not end: {sorted(left)[:5]}", "ps -fp PID")
        time.sleep(POLL_SECONDS)
    for group in sorted(groups, key=lambda one: len(one.parts), reverse=True):
        with contextlib.suppress(OSError):  # gone already, or another machine's are in it
            group.rmdir()


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(pid, number)


def _lives(pid: int) -> bool:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _pod_groups(pid: int) -> set[Path]:
    """The control groups of the pod a process is in: its own and those above, up to the pod's."""
    try:
        lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return set()
    found: set[Path] = set()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mounted = CGROUPS / controllers.removeprefix("name=") if controllers else CGROUPS
        group = mounted / path.lstrip("/")
        while "/kubepods/" in str(group) and group.name not in ("burstable", "besteffort"):
            found.add(group)
            group = group.parent
    return found
