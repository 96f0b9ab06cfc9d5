"""systemd in the supervisor's place: units are installed, started, asked and removed."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from deploy.files import write_public
from deploy.preflight import Problem
from deploy.spec import Daemon, Plan
from deploy.supervisor import answers
from deploy.systemd import PREFIX, TARGET, unit_name, units

UNIT_DIR = Path("/etc/systemd/system")
BOOTED = Path("/run/systemd/system")
SYSTEMCTL_SECONDS_MAX = 120
POLL_SECONDS = 0.1


def need_systemd() -> None:
    if not BOOTED.exists():
        raise Problem("systemd does not run this machine", "wherry up   # without --systemd")


def systemctl(*words: str, check: bool = True) -> str:
    """Its output; Problem with its words when it fails."""
    done = subprocess.run(
        ("systemctl", *words), capture_output=True, text=True, check=False,
        timeout=SYSTEMCTL_SECONDS_MAX,
    )  # fmt: skip
    if check and done.returncode != 0:
        text = (done.stderr or done.stdout).strip()
        raise Problem(f"systemctl {' '.join(words)}: {text}", "journalctl -xe")
    return done.stdout


def written(folder: Path = UNIT_DIR) -> list[Path]:
    """Our units that are there."""
    return sorted((*folder.glob(f"{PREFIX}*"), *folder.glob(TARGET)))


def install(plan: Plan, folders: Iterable[str], folder: Path = UNIT_DIR) -> None:
    """Write the units, take away those of an earlier plan, and start everything.

    folders: where certificates are renewed
    """
    texts = units(plan, folders)
    for old in written(folder):
        if old.name not in texts:
            systemctl("disable", "--now", old.name, check=False)
            old.unlink()
    for name, text in texts.items():
        write_public(folder / name, text.encode())
    systemctl("daemon-reload")
    systemctl("enable", *(name for name, text in texts.items() if "[Install]" in text))
    systemctl("start", TARGET)


def remove(folder: Path = UNIT_DIR) -> bool:
    """Stop everything and take the units away; False when there were none."""
    found = written(folder)
    if not found:
        return False
    systemctl("stop", TARGET, check=False)
    systemctl("disable", "--now", *(one.name for one in found), check=False)
    for one in found:
        one.unlink()
    systemctl("daemon-reload")
    return True


def wait_ready(plan: Plan, say: Callable[[str], None], timeout_seconds: float) -> None:
    """Return once every daemon answers; Problem naming the one that does not."""
    began = time.monotonic()
    waiting = list(plan.daemons)
    while waiting:
        for daemon in list(waiting):
            if _is_ready(daemon):
                say(f"  {daemon.name:<24} ready after {time.monotonic() - began:4.1f} s")
                waiting.remove(daemon)
        if waiting and time.monotonic() - began > timeout_seconds:
            name = waiting[0].name
            raise Problem(
                f"{name} is not ready after {timeout_seconds:.0f} s",
                f"journalctl -u {unit_name(name)}",
            )
        time.sleep(POLL_SECONDS)


def _is_ready(daemon: Daemon) -> bool:
    return daemon.ready is None or asyncio.run(answers(daemon.ready))


def read_state(plan: Plan) -> dict[str, Any]:
    """What a supervisor's state file would say."""
    daemons = {}
    for daemon in plan.daemons:
        shown = systemctl(
            "show", unit_name(daemon.name), "--property=MainPID,NRestarts,Result", check=False
        )
        found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        pid = int(found.get("MainPID", "0"))
        daemons[daemon.name] = {
            "pid": pid,
            "ready": pid != 0 and _is_ready(daemon),
            "restarts": int(found.get("NRestarts", "0")),
            "last_exit": found.get("Result", "").replace("success", ""),
        }
    return {"daemons": daemons}
