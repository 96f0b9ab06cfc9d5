"""Start a supervisor, watch its daemons become ready, stop it again.

A supervisor is known by its state file; a pid in it counts only if that process really is a
supervisor of this plan, as pids are used again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from deploy.files import write_public
from deploy.preflight import Problem
from deploy.spec import Plan, held_file

POLL_SECONDS = 0.05
STOP_SECONDS_MAX = 180.0
HOLD_SECONDS_MAX = 20.0
RESTARTS_THAT_MEAN_BROKEN = 5


def read_state(state: Path) -> dict[str, Any] | None:
    """What the supervisor last said, if it runs."""
    try:
        said: dict[str, Any] = json.loads(state.read_text())
        command = Path(f"/proc/{said['pid']}/cmdline").read_bytes()
    except FileNotFoundError:
        return None
    return said if b"deploy.supervisor" in command else None


def start(plan: Plan, plan_file: Path, log: Path) -> None:
    """Detach a supervisor for this plan; it outlives the terminal."""
    write_public(plan_file, plan.to_json().encode())
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "deploy.supervisor", str(plan_file)]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    os.posix_spawn(
        sys.executable,
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _tail(path: str, lines: int = 3) -> str:
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def wait_ready(plan: Plan, say: Callable[[str], None], timeout_seconds: float) -> None:
    """Return once every daemon is ready; Problem with the slow one's last words otherwise."""
    began = time.monotonic()
    waiting = {daemon.name: daemon for daemon in plan.daemons}
    before: dict[str, int] = {}  # restarts of an earlier time say nothing of now
    while waiting:
        state = read_state(Path(plan.state)) or {"daemons": {}}
        for name in list(waiting):
            condition = state["daemons"].get(name, {})
            if condition.get("ready"):
                say(f"  {name:<24} ready after {time.monotonic() - began:4.1f} s")
                del waiting[name]
                continue
            restarts = condition.get("restarts", 0)
            if restarts - before.setdefault(name, restarts) >= RESTARTS_THAT_MEAN_BROKEN:
                raise _broken(waiting[name].name, waiting[name].log, condition["last_exit"])
        if time.monotonic() - began > timeout_seconds:
            name, daemon = next(iter(waiting.items()))
            raise _broken(name, daemon.log, f"not ready after {timeout_seconds:.0f} s")
        time.sleep(POLL_SECONDS)  # a file changed by another process; bounded by the deadline above


def _broken(name: str, log: str, how: str) -> Problem:
    words = _tail(log)
    return Problem(f"{name} does not become ready ({how})", f"read its log: {log}\n{words}")


def hold(state: Path, names: Iterable[str]) -> None:
    """Have the supervisor start none of these daemons when they end; all others as ever."""
    wanted = sorted(names)
    write_public(held_file(str(state)), json.dumps(wanted).encode())
    said = read_state(state)
    if said is None:
        raise Problem("no supervisor runs here", "wherry lab up")
    os.kill(int(said["pid"]), signal.SIGHUP)
    deadline = time.monotonic() + HOLD_SECONDS_MAX
    while said is not None and said.get("held") != wanted:
        if time.monotonic() > deadline:
            raise Problem(f"the supervisor (pid {said['pid']}) does not listen", "wherry lab down")
        time.sleep(POLL_SECONDS)
        said = read_state(state)


def stop(state: Path) -> bool:
    """Stop the supervisor and so its daemons; False when none ran."""
    said = read_state(state)
    if said is None:
        return False
    pid = int(said["pid"])
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while _lives(pid):
        # A child of this very process stays a zombie until it is waited for.
        with contextlib.suppress(ChildProcessError):  # mostly it is init's child
            os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            raise Problem(f"the supervisor (pid {pid}) does not stop", f"kill {pid}")
        time.sleep(POLL_SECONDS)
    return True


def _lives(pid: int) -> bool:
    """Whether it runs; a zombie, which its parent has yet to wait for, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
