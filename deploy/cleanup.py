"""Leave nothing behind: mounts, files, bridges, packet-filter rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from deploy.netns import run

UMOUNT_TIMEOUT_SECONDS = 30


def mounts_below(directory: Path, mounts: str) -> list[str]:
    """The mount points at or below a folder, deepest first, from the text of /proc/self/mounts."""
    root = str(directory)
    points = [
        line.split()[1].encode().decode("unicode_escape")  # spaces are written \040
        for line in mounts.splitlines()
        if line
    ]
    inside = [point for point in points if point == root or point.startswith(root + "/")]
    return sorted(inside, key=len, reverse=True)


def remove_tree(directory: Path) -> None:
    """Unmount what is mounted below a folder and delete it; nothing when it is not there."""
    directory = directory.resolve()
    for point in mounts_below(directory, Path("/proc/self/mounts").read_text()):
        subprocess.run(
            ("umount", "--lazy", point), check=False, timeout=UMOUNT_TIMEOUT_SECONDS,
            capture_output=True,
        )  # fmt: skip
    if directory.exists():
        shutil.rmtree(directory)


def docker_rules(saved: str) -> list[str]:
    """`iptables-restore` lines that take Docker's own chains out, from `iptables-save`'s text.

    For an engine that we ran ourselves; rules of others are not touched.
    """
    tables: dict[str, list[str]] = {}
    table = ""
    for line in saved.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":DOCKER"):
            chain = words[0][1:]
            tables.setdefault(table, []).append(f"-F {chain}")
            tables[table].append(f"-X {chain}")
        elif line.startswith("-A") and not words[1].startswith("DOCKER") and _is_dockers(words):
            tables.setdefault(table, []).insert(0, "-D" + line[2:])
    lines = []
    for table, commands in tables.items():
        flushes = [c for c in commands if c.startswith("-F")]
        deletes = [c for c in commands if c.startswith("-D")]
        drops = [c for c in commands if c.startswith("-X")]
        lines += [f"*{table}", *deletes, *flushes, *drops, "COMMIT"]
    return lines


def _is_dockers(words: list[str]) -> bool:
    return any(word.startswith("DOCKER") or word == "docker0" for word in words) or (
        "172.17.0.0/16" in words and "MASQUERADE" in words
    )


def remove_docker_network() -> None:
    """Take out the bridge and rules of an engine that we ran."""
    lines = docker_rules(run("iptables-save"))
    if lines:
        run("iptables-restore", "--noflush", stdin="\n".join(lines) + "\n")
    remove_link("docker0")


def remove_link(name: str) -> None:
    """Delete a network interface of this namespace if it is there."""
    listed = run("ip", "-o", "link", "show")
    if f": {name}:" in listed or f": {name}@" in listed:
        run("ip", "link", "del", name)
