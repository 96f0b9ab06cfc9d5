"""What must be there before anything is started; each lack is one line with its cure."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

PACKAGES = {
    "etcd": "etcd-server",
    "dockerd": "docker.io",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "tc": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
CNI_DIRECTORIES = (Path("/opt/cni/bin"), Path("/usr/lib/cni"))
CNI_PLUGINS = ("bridge", "host-local", "portmap", "loopback")


class Problem(Exception):
    """Something a person must mend: the cause, and the command that mends it."""

    def __init__(self, cause: str, fix: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.fix = fix


def need_root() -> None:
    if os.geteuid() != 0:
        raise Problem("this needs root", "sudo wherry ...")


def need_programs(names: Iterable[str]) -> None:
    """Every program is on PATH, and the CNI plug-ins are there; Problem naming the packages."""
    packages = [PACKAGES[name] for name in names if shutil.which(name) is None]
    if not any(all((d / plugin).exists() for plugin in CNI_PLUGINS) for d in CNI_DIRECTORIES):
        packages.append("containernetworking-plugins")
    if packages:
        listed = " ".join(dict.fromkeys(packages))
        raise Problem(f"missing: {listed}", f"apt-get install {listed}")


def need_free_port(port: int, what: str) -> None:
    """Nobody listens on the port yet."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            raise Problem(
                f"port {port} ({what}) is taken: {error.strerror}",
                f"ss -ltnp sport = :{port}   # and stop what holds it",
            ) from error


def free_port_pair(first: int) -> int:
    """The first of two neighbouring free ports, at `first` or some hundreds above it."""
    for port in range(first, first + 1000, 100):
        try:
            need_free_port(port, "etcd")
            need_free_port(port + 1, "etcd")
        except Problem:
            continue
        return port
    raise Problem(f"no free port pair between {first} and {first + 1000}", "ss -ltnp")
