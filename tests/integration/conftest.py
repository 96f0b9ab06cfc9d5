"""Real servers for tests: an etcd of one's own on a free port, in a directory that goes away.

The event loop of each test is its own, so what is shared between tests are processes, never clients.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

START_SECONDS = 60.0
STOP_SECONDS = 60.0


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
    fsync: bool = False  # tests need speed, benchmarks the truth
    name: str = "test"
    cluster: str = ""  # all members, as --initial-cluster has them; alone when empty
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def member(self) -> str:
        return f"{self.name}=http://127.0.0.1:{self.peer_port}"

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        peer = f"http://127.0.0.1:{self.peer_port}"
        command = [
            "etcd", "--data-dir", str(self.directory / "data"), "--name", self.name,
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", self.cluster or self.member,
            "--logger", "zap", "--log-outputs", "stderr", *self.flags,
            *([] if self.fsync else ["--unsafe-no-fsync"]),
        ]  # fmt: skip
        with open(self.directory / "etcd.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "etcd.log").read_text()[-2000:])
            time.sleep(0.02)

    def _healthy(self) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer,
        ):
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
def running_etcd(*flags: str, fsync: bool = False) -> Iterator[Etcd]:
    if shutil.which("etcd") is None:
        pytest.skip("no etcd on PATH")
    directory = Path(tempfile.mkdtemp(prefix="wherry-etcd-"))
    etcd = Etcd(directory, free_port(), free_port(), fsync, flags=flags)
    try:
        etcd.start()
        yield etcd
    finally:
        etcd.kill()
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def running_etcd_cluster(members: int) -> Iterator[list[Etcd]]:
    if shutil.which("etcd") is None:
        pytest.skip("no etcd on PATH")
    directory = Path(tempfile.mkdtemp(prefix="wherry-etcd-"))
    cluster = [
        Etcd(directory / f"m{index}", free_port(), free_port(), name=f"m{index}")
        for index in range(members)
    ]
    try:
        for etcd in cluster:
            etcd.directory.mkdir()
            etcd.cluster = ",".join(one.member for one in cluster)
            etcd.launch()
        for etcd in cluster:
            etcd.wait()
        yield cluster
    finally:
        for etcd in cluster:
            etcd.kill()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def etcd_cluster() -> Iterator[list[Etcd]]:
    """Three members of an empty etcd of this test's own."""
    with running_etcd_cluster(3) as cluster:
        yield cluster


@pytest.fixture
def tiny_etcd() -> Iterator[Etcd]:
    """An etcd that is full after a few megabytes."""
    with running_etcd("--quota-backend-bytes=4194304") as etcd:
        yield etcd


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


TOKEN = "test-token"


def write_keys(directory: Path) -> None:
    """A service-account key pair: sa.key, sa.pub."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (directory / "sa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (directory / "sa.pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


@dataclass
class ApiServer:
    """A wherry-apiserver process on an etcd, and how to speak to it (as system:masters)."""

    directory: Path
    etcd: Etcd
    port: int
    flags: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The self-signed certificate, which is its own authority."""
        return self.directory / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def start(self, *, wait: bool = True) -> None:
        tokens = self.directory / "tokens.csv"
        tokens.write_text(f'{TOKEN},admin,1,"system:masters"\n')
        write_keys(self.directory)
        command = [
            sys.executable, "-m", "apiserver.main", "--bind-address=127.0.0.1",
            f"--etcd-servers={self.etcd.url}", f"--secure-port={self.port}",
            f"--cert-dir={self.directory}", f"--token-auth-file={tokens}",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--service-account-key-file={self.directory}/sa.pub",
            f"--service-account-signing-key-file={self.directory}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            *self._modes(), *self.flags,
        ]  # fmt: skip
        with open(self.directory / "apiserver.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._write_kubeconfig()
        deadline = time.monotonic() + START_SECONDS
        while wait and not self.answers("/readyz"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log[-4000:])
            time.sleep(0.02)

    def _modes(self) -> list[str]:
        """Everything is allowed where a test does not say otherwise: the flag's values add up."""
        told = any(
            flag.startswith(("--authorization-mode", "--authorization-config"))
            for flag in self.flags
        )
        return [] if told else ["--authorization-mode=AlwaysAllow"]

    @property
    def log(self) -> str:
        return (self.directory / "apiserver.log").read_text()

    def answers(self, path: str) -> bool:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(f"{self.url}{path}", headers=headers)
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(request, timeout=2, context=context) as answer,
        ):
            return bool(answer.status == 200)
        return False

    def client(self) -> httpx.AsyncClient:
        """A client of its own; the caller closes it."""
        return httpx.AsyncClient(
            base_url=self.url,
            verify=ssl.create_default_context(cafile=str(self.ca_file)),
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60.0,
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            self.process = None

    def _write_kubeconfig(self) -> None:
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {
                            "name": "test",
                            "cluster": {
                                "server": self.url,
                                "certificate-authority": str(self.ca_file),
                            },
                        }
                    ],
                    "users": [{"name": "admin", "user": {"token": TOKEN}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
                    "current-context": "test",
                }
            )
        )


@contextlib.contextmanager
def running_apiserver(etcd: Etcd, *flags: str) -> Iterator[ApiServer]:
    directory = Path(tempfile.mkdtemp(prefix="wherry-apiserver-"))
    server = ApiServer(directory, etcd, free_port(), list(flags))
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def apiserver(etcd: Etcd) -> Iterator[ApiServer]:
    """A fresh API server on a fresh etcd."""
    with running_apiserver(etcd) as server:
        yield server


@pytest.fixture(scope="session")
def shared_apiserver(shared_etcd: Etcd) -> Iterator[ApiServer]:
    """One API server for all tests that keep to a namespace of their own."""
    with running_apiserver(shared_etcd) as server:
        yield server


@pytest.fixture
def make_apiserver(etcd: Etcd) -> Iterator[Callable[..., ApiServer]]:
    """Makes API servers with further flags, on one fresh etcd."""
    with contextlib.ExitStack() as stack:
        yield lambda *flags: stack.enter_context(running_apiserver(etcd, *flags))
