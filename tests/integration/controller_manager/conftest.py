"""Real etcd, real API server, the real controller manager; a test plays kubelet and scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from tests.integration.conftest import ApiServer, free_port, running_apiserver, running_etcd
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Binding, Namespace, Node, Pod
from wherry.api.errors import ApiError
from wherry.api.model import format_micro_time, format_time
from wherry.client.kubeconfig import load
from wherry.client.rest import Client

T = TypeVar("T")
DEADLINE_SECONDS = 60.0
LEASES = "kube-node-lease"


async def until(question: Callable[[], Awaitable[T]], seconds: float = DEADLINE_SECONDS) -> T:
    """The first true answer."""
    answer = None
    try:
        async with asyncio.timeout(seconds):
            while not (answer := await question()):
                await asyncio.sleep(0.03)
            return answer
    except TimeoutError:
        raise AssertionError(f"did not come true within {seconds:g} s; last: {answer!r}") from None


class Manager:
    """A wherry-controller-manager process."""

    def __init__(self, server: ApiServer, directory: Path, *flags: str, verbosity: int = 4) -> None:
        self.port = free_port()
        self.log_file = directory / f"manager-{self.port}.log"
        command = [
            sys.executable, "-m", "controller_manager.main", f"--kubeconfig={server.kubeconfig}",
            "--bind-address=127.0.0.1", f"--secure-port={self.port}", f"--v={verbosity}", *flags,
        ]  # fmt: skip
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(15)

    @property
    def log(self) -> str:
        return self.log_file.read_text()


class Cluster:
    """What a test does to the cluster, and asks of it, in a namespace of its own."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self._numbers = itertools.count(1)

    async def make(self, model: type[T], name: str, **tree: object) -> T:
        metadata = {"name": name, **tree.pop("metadata", {})}
        if model.GVK.kind not in ("Node", "Namespace"):
            metadata["namespace"] = self.namespace
        return await self.client.create(model.from_wire({"metadata": metadata, **tree}))

    async def get(self, model: type[T], name: str) -> T | None:
        namespace = "" if model.GVK.kind in ("Node", "Namespace") else self.namespace
        try:
            return await self.client.get(model, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def list(self, model: type[T], **selector: str) -> list[T]:
        return (await self.client.list(model, self.namespace, **selector)).items

    async def node(self, name: str, *, ready: bool = True, **metadata: object) -> None:
        """A node as its kubelet registers it."""
        await self.make(Node, name, metadata=metadata)
        now = format_time(datetime.now(UTC))
        condition = {
            "type": "Ready", "status": str(ready), "reason": "KubeletReady",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        }  # fmt: skip
        patch = {"status": {"conditions": [condition]}}
        await self.client.patch(Node, name, "", patch, type="strategic", subresource="status")

    async def beat(self, name: str) -> None:
        """The node's kubelet renews its Lease."""
        spec = {
            "holderIdentity": name, "leaseDurationSeconds": 40,
            "renewTime": format_micro_time(datetime.now(UTC)),
        }  # fmt: skip
        try:
            await self.client.patch(Lease, name, LEASES, {"spec": spec})
        except ApiError as error:
            if error.code != 404:
                raise
            metadata = {"name": name, "namespace": LEASES}
            await self.client.create(Lease.from_wire({"metadata": metadata, "spec": spec}))

    async def bind(self, pod: Pod, node: str) -> None:
        binding = Binding.from_wire(
            {
                "metadata": {"name": pod.metadata.name, "namespace": self.namespace},
                "target": {"kind": "Node", "name": node},
            }
        )
        await self.client.create_subresource(
            Pod, pod.metadata.name, self.namespace, "binding", binding
        )

    async def report(self, pod: Pod, *, ready: bool = True) -> None:
        """The pod's kubelet reports it running."""
        number = next(self._numbers)
        ip = pod.status.pod_ip or f"10.244.{number // 250}.{number % 250 + 2}"
        condition = {
            "type": "Ready", "status": str(ready),
            "lastTransitionTime": format_time(datetime.now(UTC)),
        }  # fmt: skip
        status = {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [condition],
        }
        await self.client.patch(
            Pod, pod.metadata.name, self.namespace, {"status": status},
            type="strategic", subresource="status",
        )  # fmt: skip

    async def run_pods(self, *nodes: str, ready: bool = True) -> None:
        """Bind and report what waits; end what is to end: the kubelets' part, once."""
        for pod in await self.list(Pod):
            with contextlib.suppress(ApiError):  # it went meanwhile
                if pod.metadata.deletion_timestamp is not None:
                    if pod.spec.node_name in nodes:
                        await self.client.delete(
                            Pod, pod.metadata.name, self.namespace,
                            grace_period_seconds=0, uid=pod.metadata.uid,
                        )  # fmt: skip
                    continue
                if not pod.spec.node_name:
                    await self.bind(pod, nodes[next(self._numbers) % len(nodes)])
                if pod.status.phase != "Running":
                    await self.report(pod, ready=ready)

    @contextlib.asynccontextmanager
    async def kubelets(self, *nodes: str, beating: bool = True) -> AsyncIterator[set[str]]:
        """These nodes' kubelets live: they renew, and run what is bound to them.

        Take a name out of the set and that node is dead.
        """
        alive = set(nodes)

        async def live() -> None:
            while True:
                for name in sorted(alive):
                    if beating:
                        with contextlib.suppress(Exception):  # the server may be away: they retry
                            await self.beat(name)
                with contextlib.suppress(Exception):
                    await self.run_pods(*sorted(alive))
                await asyncio.sleep(0.1)

        task = asyncio.create_task(live())
        try:
            yield alive
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture(scope="session")
def shared() -> Iterator[tuple[ApiServer, Manager]]:
    """An API server with a controller manager, both for all tests of this folder."""
    flags = ("--leader-elect=false", "--allocate-node-cidrs", "--cluster-cidr=10.244.0.0/16")
    with (
        running_etcd() as etcd,
        running_apiserver(etcd) as server,
        tempfile.TemporaryDirectory() as directory,
    ):
        manager = Manager(server, Path(directory), *flags)
        try:
            yield server, manager
        finally:
            code = manager.stop()
            log = manager.log
    assert code == 0, log[-3000:]
    assert "Traceback" not in log, log[-6000:]


@pytest.fixture
def controlled(shared: tuple[ApiServer, Manager]) -> ApiServer:
    return shared[0]


_namespaces = itertools.count(1)


@pytest.fixture
async def cluster(controlled: ApiServer) -> AsyncIterator[Cluster]:
    """A fresh namespace of the shared cluster, with its default account."""
    async with Client(load(controlled.kubeconfig)) as client:
        made = Cluster(client, f"work-{next(_namespaces)}")
        await made.make(Namespace, made.namespace)
        yield made


@pytest.fixture
def start(apiserver: ApiServer, tmp_path: Path) -> Iterator[Callable[..., Manager]]:
    """Starts controller managers on an API server of this test's own."""
    started: list[Manager] = []

    def one(*flags: str) -> Manager:
        manager = Manager(apiserver, tmp_path, *flags)
        started.append(manager)
        return manager

    yield one
    for manager in started:
        manager.stop(signal.SIGKILL)


@pytest.fixture
async def own(apiserver: ApiServer) -> AsyncIterator[Cluster]:
    """The namespace `work` of this test's own API server."""
    async with Client(load(apiserver.kubeconfig)) as client:
        made = Cluster(client, "work")
        await made.make(Namespace, "work")
        yield made
