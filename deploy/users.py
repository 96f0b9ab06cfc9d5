"""The system users that daemons without root run as.

Each daemon has a user of its own, so that its keys are read by nobody else. Users are made once and
stay, as Debian's packages do it: another cluster on this host, or files kept aside, may be theirs.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterable
from pathlib import Path

from deploy.preflight import Problem

UNPRIVILEGED = ("etcd", "apiserver", "scheduler", "controller-manager", "dns")
SHORT = {"controller-manager": "controllers"}
USERADD = "/usr/sbin/useradd"  # not on everybody's PATH
USERADD_SECONDS_MAX = 20
TRIES_MAX = 3  # somebody else may hold the lock on /etc/passwd


def user_of(daemon: str) -> str:
    """The user of a control-plane daemon: `wherry-dns`."""
    return f"wherry-{SHORT.get(daemon, daemon)}"


def exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def ensure_users(daemons: Iterable[str] = UNPRIVILEGED) -> None:
    """Make the users that are missing; Problem when that fails."""
    for user in map(user_of, daemons):
        words = ""
        for _ in range(TRIES_MAX):
            if exists(user):
                break
            words = _add(user)
        else:
            if not exists(user):
                raise Problem(f"cannot make the system user {user}: {words}", f"useradd -r {user}")


def _add(user: str) -> str:
    """Try to make it; what went wrong."""
    command = (
        USERADD, "--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent",
        "--shell=/usr/sbin/nologin", user,
    )  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=USERADD_SECONDS_MAX, check=False
        )
    except OSError as error:
        return str(error)
    return done.stderr.strip()


def own_tree(directory: Path, user: str) -> None:
    """Make a folder, nobody else's to read, and give it and all in it to the user."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    entry = pwd.getpwnam(user)
    for root, folders, files in os.walk(directory):
        for name in (".", *folders, *files):
            path = os.path.join(root, name)
            found = os.lstat(path)
            if (found.st_uid, found.st_gid) != (entry.pw_uid, entry.pw_gid):
                os.lchown(path, entry.pw_uid, entry.pw_gid)
