"""A machine for the kubelet: a network namespace of its own with a Docker Engine of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.cluster import ENVIRONMENT
from kubelet import sandbox_image
from tests.integration.conftest import ApiServer
from tests.integration.kubelet.relay import Relay
from wherry.api.core_v1 import Event, Node, Pod, ServiceAccount
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta
from wherry.client import kubeconfig
from wherry.client.rest import ApiUnavailable, Client

START_SECONDS = 60.0
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

    def stop_engine(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    def _answers(self) -> bool:
        return self.docker("version", check=False).returncode == 0

    def docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "-H", f"unix://{self.socket}", *words],
            check=check, capture_output=True, text=True,
        )  # fmt: skip

    def cgroups(self, name: str) -> list[Path]:
        """Control groups of this name on this machine, in all hierarchies."""
        return [
            found
            for place in Path("/sys/fs/cgroup").iterdir()
            for found in (place / self.name).rglob(name)
        ]

    def remove(self) -> None:
        """Containers, engine, mounts, namespace, control groups and files."""
        if self.process is not None:
            found = self.docker("ps", "-aq", check=False).stdout.split()
            if found:
                self.docker("rm", "-f", *found, check=False)
            self.stop_engine()
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


@dataclass
class Kubelet:
    """A wherry-kubelet process on a machine, and what its API server says of its pods."""

    machine: Machine
    kubeconfig: Path
    name: str = "n1"
    process: subprocess.Popen[bytes] | None = None
    verbosity: int = 4
    options: tuple[str, ...] = ()
    client: Client = field(init=False)

    @property
    def root_dir(self) -> Path:
        return self.machine.directory / "kubelet"

    @property
    def manifests(self) -> Path:
        return self.machine.directory / "manifests"

    @property
    def log(self) -> str:
        return (self.machine.directory / "kubelet.log").read_text()

    def start(self) -> None:
        command = [
            *self.machine.enter, sys.executable, "-m", "kubelet.main",
            f"--kubeconfig={self.kubeconfig}", f"--hostname-override={self.name}",
            f"--root-dir={self.root_dir}", f"--node-ip={self.machine.address}",
            f"--container-runtime-endpoint=unix://{self.machine.socket}",
            f"--cgroup-root={self.machine.cgroup_root}", "--pod-cidr=10.244.1.0/24",
            f"--cni-conf-dir={self.machine.directory}/net.d", "--cluster-dns=10.96.0.10",
            "--system-reserved=memory=1Gi", f"--v={self.verbosity}",
            f"--pod-manifest-path={self.manifests}", *self.options,
        ]  # fmt: skip
        with open(self.machine.directory / "kubelet.log", "ab") as log:
            environment = {**os.environ, **ENVIRONMENT}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    async def until(self, name: str, holds: Callable[[Pod], bool], seconds: float = 30.0) -> Pod:
        """The pod when `holds` is true of it; the kubelet's log is in the failure."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                pod = await self.client.get(Pod, name, "default")
            except ApiError:
                pod = None
            if pod is not None and holds(pod):
                return pod
            if time.monotonic() > deadline:
                shown = pod.status.to_wire() if pod is not None else None
                raise AssertionError(f"{name}: {shown}\n{self.log[-3000:]}")
            await asyncio.sleep(0.05)

    async def until_gone(self, name: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                await self.client.get(Pod, name, "default")
            except ApiError as error:
                if error.code == 404:
                    return
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} is still there\n{self.log[-3000:]}")
            await asyncio.sleep(0.02)

    async def until_node(self, wanted: str, seconds: float = START_SECONDS) -> None:
        """Until the node's Ready condition is so."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(ApiError, ApiUnavailable):
                node = await self.client.get(Node, self.name)
                if any(c.type == "Ready" and c.status == wanted for c in node.status.conditions):
                    return
            assert time.monotonic() < deadline, self.log[-3000:]
            await asyncio.sleep(0.05)

    async def events(self, name: str) -> set[tuple[str, str]]:
        """(reason, message) of the pod's events."""
        found = await self.client.list(
            Event, "default", field_selector=f"involvedObject.name={name}"
        )
        return {(event.reason, event.message) for event in found.items}

    def containers(self, name: str, *options: str) -> list[str]:
        """Ids of the pod's containers and sandboxes that run (with -a: all)."""
        label = f"label=io.kubernetes.pod.name={name}"
        return self.machine.docker("ps", "-q", "--no-trunc", *options, "-f", label).stdout.split()


@pytest.fixture(scope="session")
def node_parts(machine: Machine, shared_apiserver: ApiServer) -> Iterator[tuple[Relay, Path]]:
    relay = Relay(machine.name, shared_apiserver.port)
    relay.open()
    tar = machine.directory / "image.tar"
    tar.write_bytes(sandbox_image.root_tar(sandbox_image.read_busybox()))
    machine.docker("import", str(tar), "local/busybox:1")
    yield relay, shared_apiserver.kubeconfig
    relay.shut()


@pytest.fixture
def relay(node_parts: tuple[Relay, Path]) -> Relay:
    return node_parts[0]


@pytest.fixture(scope="session")
def kubelet_process(machine: Machine, node_parts: tuple[Relay, Path]) -> Iterator[Kubelet]:
    _, config = node_parts
    made = Kubelet(machine, config)
    made.start()
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()


@pytest.fixture
async def kubelet(kubelet_process: Kubelet) -> AsyncIterator[Kubelet]:
    """The node, ready, with a client of this test's own loop."""
    async with Client(kubeconfig.load(kubelet_process.kubeconfig)) as client:
        kubelet_process.client = client
        with contextlib.suppress(ApiError):
            await client.create(
                ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
            )
        await ready(client, kubelet_process)
        yield kubelet_process


async def ready(client: Client, kubelet: Kubelet) -> None:
    """Wait until the node says that it is."""
    kubelet.client = client
    await kubelet.until_node("True")
