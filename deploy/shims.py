"""Processes that an engine leaves when it is killed: containerd's shims outlive it and are forgotten.

They are told by the containerd namespace in their arguments, which in a lab is a machine's own.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

PROGRAM = "containerd-shim"


def end(namespace: str, proc: Path = Path("/proc")) -> list[int]:
    """Kill the shims of this containerd namespace and what they run; the shims' pids."""
    found = [int(one.name) for one in proc.iterdir() if one.name.isdecimal()]
    shims = [pid for pid in found if _is_shim(proc / str(pid), namespace)]
    for pid in shims:
        for victim in (pid, *_children(proc / str(pid))):
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
    return shims


def _is_shim(process: Path, namespace: str) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    pairs = pairwise(words)
    return PROGRAM in os.path.basename(words[0].decode(errors="replace")) and (
        (b"-namespace", namespace.encode()) in pairs
    )


def _children(process: Path) -> list[int]:
    try:
        return [
            int(pid)
            for task in (process / "task").iterdir()
            for pid in (task / "children").read_text().split()
        ]
    except OSError:
        return []
