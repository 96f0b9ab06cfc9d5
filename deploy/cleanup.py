"""Leave nothing behind: mounts, files, bridges, packet-filter rules."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from deploy.netns import run

UMOUNT_TIMEOUT_SECONDS = 30
CNI_NETWORK = "wherry"  # the names a kubelet gives its default network
CNI_BRIDGE = "wherry0"


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


def unmount_below(directory: Path) -> None:
    """Unmount what is mounted at or below a folder, in this mount namespace."""
    directory = directory.resolve()
    for point in mounts_below(directory, Path("/proc/self/mounts").read_text()):
        subprocess.run(
            ("umount", "--lazy", point), check=False, timeout=UMOUNT_TIMEOUT_SECONDS,
            capture_output=True,
        )  # fmt: skip


def remove_tree(directory: Path) -> None:
    """Unmount what is mounted below a folder and delete it; nothing when it is not there."""
    unmount_below(directory)
    if directory.resolve().exists():
        shutil.rmtree(directory.resolve())


def chain_rules(saved: str, prefix: str, link: str = "") -> list[str]:
    """`iptables-restore` lines that take out the chains of this prefix and every rule that names one.

    saved: the text of `iptables-save`
    link:  rules that name this interface, or its masquerade of Docker's range, go too
    """
    lines: list[str] = []
    for table, text in _tables(saved):
        deletes: list[str] = []
        chains: list[str] = []
        for line in text:
            words = line.split()
            if line.startswith(f":{prefix}"):
                chains.append(words[0][1:])
            elif line.startswith("-A") and not words[1].startswith(prefix):
                named = any(word.startswith(prefix) for word in words)
                if named or (link and link in words):
                    deletes.insert(0, "-D" + line[2:])
        if deletes or chains:
            flushes, drops = [f"-F {one}" for one in chains], [f"-X {one}" for one in chains]
            lines += [f"*{table}", *deletes, *flushes, *drops, "COMMIT"]
    return lines


def _tables(saved: str) -> list[tuple[str, list[str]]]:
    tables: list[tuple[str, list[str]]] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            tables.append((line[1:], []))
        elif tables:
            tables[-1][1].append(line)
    return tables


def only_ours(saved: str) -> bool:
    """Whether every host port that CNI's portmap plug-in forwards is of our network."""
    names = re.findall(r'--comment "dnat name: \\"([^"\\]+)\\"', saved)
    return all(name == CNI_NETWORK for name in names)


def remove_docker_network() -> None:
    """Take out the bridge and rules of an engine that we ran."""
    _restore(chain_rules(run("iptables-save"), "DOCKER", "docker0"))
    remove_link("docker0")


def remove_pod_network() -> None:
    """Take out the pods' bridge, and portmap's rules unless another network uses them too."""
    remove_link(CNI_BRIDGE)
    saved = run("iptables-save")
    if only_ours(saved):
        _restore(chain_rules(saved, "CNI-"))


def _restore(lines: list[str]) -> None:
    if lines:
        run("iptables-restore", "--noflush", stdin="\n".join(lines) + "\n")


def remove_link(name: str) -> None:
    """Delete a network interface of this namespace if it is there."""
    listed = run("ip", "-o", "link", "show")
    if f": {name}:" in listed or f": {name}@" in listed:
        run("ip", "link", "del", name)
