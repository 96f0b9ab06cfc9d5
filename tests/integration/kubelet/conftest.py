"""A machine for the kubelet: a network namespace of its own with a Docker Engine of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 30.0
ADDRESS = "172.31.252.1"


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@dataclass
class Machine:
    """A namespace and its engine. `enter` are the words that start a process in it."""

    name: str
    directory: Path
    process: subprocess.Popen[bytes] | None = None
    address: str = ADDRESS

    @property
    def enter(self) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    @property
    def socket(self) -> Path:
        return self.directory / "docker.sock"

    @property
    def cgroup_root(self) -> str:
        return f"/{self.name}"

    def make(self) -> None:
        _run("ip", "netns", "add", self.name)
        for command in (
            "ip link set lo up",
            "ip link add uplink type bridge",
            f"ip addr add {ADDRESS}/24 dev uplink",
            "ip link set uplink up",
            f"ip route add default via {ADDRESS}",
            "sysctl -qw net.ipv4.ip_forward=1",
        ):
            _run(*self.enter, *command.split())

    def start_engine(self) -> None:
        data = self.directory
        with open(data / "dockerd.log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.enter, "dockerd", "--data-root", str(data / "data"),
                    "--exec-root", str(data / "exec"), "-p", str(data / "docker.pid"),
                    "-H", f"unix://{self.socket}", "--bridge", "none", "--iptables=false",
                    "--cgroup-parent", self.cgroup_root,
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((data / "dockerd.log").read_text()[-2000:])
            time.sleep(0.1)

    def _answers(self) -> bool:
        return self.docker("version", check=False).returncode == 0

    def docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "-H", f"unix://{self.socket}", *words],
            check=check, capture_output=True, text=True,
        )  # fmt: skip

    def remove(self) -> None:
        """Containers, engine, mounts, namespace, control groups and files."""
        if self.process is not None:
            found = self.docker("ps", "-aq", check=False).stdout.split()
            if found:
                self.docker("rm", "-f", *found, check=False)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
        for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            target = mount.split()[1]
            if target.startswith(str(self.directory)):
                subprocess.run(["umount", "-l", target], check=False)
        for place in Path("/sys/fs/cgroup").iterdir():
            root = place / self.name
            if root.is_dir():
                below = [Path(folder) for folder, _, _ in os.walk(root, topdown=False)]
                for folder in below:
                    with contextlib.suppress(OSError):
                        folder.rmdir()
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("needs root and dockerd")
    directory = Path(tempfile.mkdtemp(prefix="wherry-kubelet-"))
    made = Machine(f"wk-{os.getpid()}", directory)
    try:
        made.make()
        made.start_engine()
        yield made
    finally:
        made.remove()
