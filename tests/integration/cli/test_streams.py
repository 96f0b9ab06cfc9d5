"""logs and exec: the command → a real API server → the kubelet's server → a process that is played."""

from __future__ import annotations

import asyncio
import os
import pty
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from kubelet.runtime import labels
from kubelet.runtime.protocol import ContainerRecord, State
from kubelet.server.app import Server
from kubelet.server.auth import Gate
from kubelet.server.serve import serve
from wherry.api.core_v1 import Node, Pod
from wherry.client.kubeconfig import load
from wherry.client.rest import Client
from wherry.daemon.clock import SystemClock
from wherry.daemon.tls import server_context

SECONDS_MAX = 60


class Process:
    """Says what it is told in capitals; `exit N` ends it with N, the end of its input with 0."""

    def __init__(self, command, tty):
        self.code, self.tty, self.said = 0, tty, asyncio.Queue()
        self.said.put_nowait((1, f"{' '.join(command)}\n".encode()))

    async def read(self):
        return await self.said.get()

    async def write(self, data):
        for line in data.decode().replace("\r", "\n").split("\n"):
            if line.startswith("exit "):
                self.code = int(line.removeprefix("exit "))
                await self.said.put(None)
            elif line.startswith("complain"):
                await self.said.put((2, b"oh no\n"))
            elif line:
                await self.said.put((1, line.upper().encode() + b"\n"))

    async def close_stdin(self):
        await self.said.put(None)

    async def resize(self, width, height):
        await self.said.put((1, f"window {width}x{height}\n".encode()))

    async def exit_code(self):
        return self.code

    async def close(self):
        await self.said.put(None)


class Engine:
    def __init__(self):
        self.more = asyncio.Event()

    async def logs(self, container_id, **options):
        yield 1, f"of {container_id}\n".encode()
        if options["follow"]:
            await self.more.wait()
        yield 2, b"last\n"

    async def exec(self, container_id, command, *, stdin, stdout, stderr, tty):
        process = Process(command, tty)
        if not stdin:
            await process.close_stdin()
        return process


class Pods:
    def __init__(self, pod):
        self._pod = pod

    def pods(self):
        return [self._pod]

    def pod(self, namespace, name):
        meta = self._pod.metadata
        return self._pod if (namespace, name) == (meta.namespace, meta.name) else None

    def containers(self, pod_uid):
        now = datetime.now(UTC)
        runs = [("c", 0, State.EXITED), ("c", 1, State.RUNNING), ("side", 0, State.RUNNING)]
        return [
            ContainerRecord(
                f"{name}-{attempt}", state, now, started_at=now,
                labels={
                    labels.CONTAINER_NAME: name, labels.ATTEMPT: str(attempt),
                    labels.TYPE: labels.TYPE_CONTAINER,
                },
            )
            for name, attempt, state in runs
        ]  # fmt: skip


def certificate(folder):
    """A self-signed serving certificate for 127.0.0.1, its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubelet")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    crt, pem = folder / "kubelet.crt", folder / "kubelet.key"
    crt.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return crt, pem


@asynccontextmanager
async def kubelet_server(client, pod, engine, pair):
    """The kubelet's server on a free port, known to the API server as the pod's node."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = Server(Pods(pod), engine, CollectorRegistry(), SystemClock())
    app = server.app(Gate(client, pod.spec.node_name, SystemClock()))
    context = server_context(pair[0], pair[1], pair[0])
    task = asyncio.create_task(
        serve(app, "127.0.0.1", 0, context, on_listening=listening.set_result)
    )
    try:
        port = await asyncio.wait_for(listening, SECONDS_MAX)
        node = Node.from_wire({"metadata": {"name": pod.spec.node_name}})
        await client.create(node)
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await client.patch(Node, pod.spec.node_name, "", {"status": status}, subresource="status")
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class World:
    def __init__(self, wherry, engine):
        self.wherry, self.engine = wherry, engine

    async def run(self, *words, stdin=b""):
        """A command to its end, off this loop's back: code, out, err."""
        process = await self.wherry.start(*words)
        out, err = await asyncio.wait_for(process.communicate(stdin), SECONDS_MAX)
        return process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="module")
def server_and_pair(shared_etcd, tmp_path_factory, apiserver_with):
    """An API server that trusts our kubelets' certificate and shows it to them."""
    pair = certificate(tmp_path_factory.mktemp("kubelet"))
    flags = [
        f"--kubelet-certificate-authority={pair[0]}", f"--kubelet-client-certificate={pair[0]}",
        f"--kubelet-client-key={pair[1]}",
    ]  # fmt: skip
    with apiserver_with(shared_etcd, *flags) as server:
        yield server, pair


@pytest.fixture
async def world(server_and_pair, tmp_path, make_wherry):
    server, pair = server_and_pair
    wherry, engine = make_wherry(server, tmp_path), Engine()
    async with Client(load(server.kubeconfig)) as client:
        wanted = {
            "metadata": {"name": "web", "namespace": wherry.namespace},
            "spec": {
                "nodeName": f"node-of-{wherry.namespace}",
                "containers": [{"name": "c", "image": "i"}, {"name": "side", "image": "i"}],
            },
        }
        pod = await client.create(Pod.from_wire(wanted))
        async with kubelet_server(client, pod, engine, pair):
            yield World(wherry, engine)


async def test_logs(world):
    default = 'Defaulted container "c" out of: c, side\n'
    assert await world.run("logs", "web") == (0, "of c-1\nlast\n", default)
    assert await world.run("logs", "web", "-c", "side") == (0, "of side-0\nlast\n", "")
    assert await world.run("logs", "pod/web", "c", "--previous") == (0, "of c-0\nlast\n", "")
    code, out, _ = await world.run("logs", "web", "--all-containers", "--prefix")
    assert (code, out.splitlines()[0]) == (0, "[pod/web/c] of c-1")
    code, _, err = await world.run("logs", "web", "-c", "none")
    assert (code, err) == (1, "error: container none is not valid for pod web\n")


async def test_followed_logs_come_as_they_are_written(world):
    process = await world.wherry.start("logs", "web", "-c", "c", "-f")
    try:
        async with asyncio.timeout(SECONDS_MAX):
            assert await process.stdout.readline() == b"of c-1\n"
            world.engine.more.set()
            assert await process.stdout.readline() == b"last\n"
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize(
    ("flags", "stdin", "expected"),
    [
        pytest.param([], b"ignored", (0, "say it\n", ""), id="no input"),
        pytest.param(["-i"], b"hello\n", (0, "say it\nHELLO\n", ""), id="input to its end"),
        pytest.param(
            ["-i"], b"complain\n", (0, "say it\n", "oh no\n"), id="what it says on stderr"
        ),
        pytest.param(
            ["-i"],
            b"exit 7\n",
            (7, "say it\n", "command terminated with exit code 7\n"),
            id="its exit code is ours",
        ),
    ],
)
async def test_exec(world, flags, stdin, expected):
    words = ("exec", *flags, "web", "-c", "c", "--", "say", "it")
    assert await world.run(*words, stdin=stdin) == expected


async def test_exec_with_a_terminal(world):
    primary, secondary = pty.openpty()
    command = world.wherry.command(["exec", "-it", "web", "-c", "c", "--", "sh"])
    process = await asyncio.create_subprocess_exec(
        *command, stdin=secondary, stdout=secondary, stderr=secondary,
        env=world.wherry.environment,
    )  # fmt: skip
    os.close(secondary)
    seen = b""

    async def until(words):
        nonlocal seen
        async with asyncio.timeout(SECONDS_MAX):
            while words not in seen:
                seen += await asyncio.to_thread(os.read, primary, 1024)

    try:
        await until(b"window ")
        os.write(primary, b"hi\r")
        await until(b"HI")
        os.write(primary, b"exit 3\r")
        await until(b"exit code 3")
        assert await asyncio.wait_for(process.wait(), SECONDS_MAX) == 3
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(primary)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("exec", "web", "--"), "error: you must specify at least one command for the container\n"),
        (("exec", "web", "-c", "x", "--", "a"), "error: container x is not valid for pod web\n"),
        (("exec", "none", "--", "a"), 'Error from server (NotFound): pods "none" not found\n'),
    ],
)
async def test_exec_refused(world, words, message):
    assert await world.run(*words) == (1, "", message)
