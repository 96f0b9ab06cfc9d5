"""Real servers for tests: an etcd of one's own on a free port, in a directory that goes away.

The event loop of each test is its own, so what is shared between tests are processes, never clients.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 20.0
STOP_SECONDS = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Etcd:
    """An etcd process; `pause`, `kill` and `start` let a test take it away and bring it back."""

    directory: Path
    port: int
    peer_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        peer = f"http://127.0.0.1:{self.peer_port}"
        command = [
            "etcd", "--data-dir", str(self.directory / "data"), "--name", "test",
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"test={peer}", "--logger", "zap", "--log-outputs", "stderr",
            "--unsafe-no-fsync",
        ]  # fmt: skip
        with open(self.directory / "etcd.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "etcd.log").read_text()[-2000:])
            time.sleep(0.02)

    def _healthy(self) -> bool:
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
                return b"true" in answer.read()
        return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            self.process = None

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)


@contextlib.contextmanager
def running_etcd() -> Iterator[Etcd]:
    if shutil.which("etcd") is None:
        pytest.skip("no etcd on PATH")
    directory = Path(tempfile.mkdtemp(prefix="wherry-etcd-"))
    etcd = Etcd(directory, free_port(), free_port())
    try:
        etcd.start()
        yield etcd
    finally:
        etcd.kill()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_etcd() -> Iterator[Etcd]:
    """One etcd for all tests that do not mind what others left in it."""
    with running_etcd() as etcd:
        yield etcd


@pytest.fixture
def etcd() -> Iterator[Etcd]:
    """An empty etcd of this test's own."""
    with running_etcd() as etcd:
        yield etcd
