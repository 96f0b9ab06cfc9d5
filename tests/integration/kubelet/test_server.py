"""The kubelet's server over real TLS, HTTP and WebSockets; the engine and the reviews are played."""

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from kubelet.runtime import labels
from kubelet.runtime.protocol import ContainerRecord, ExecResult, RuntimeFailure, State
from kubelet.server.app import Server
from kubelet.server.auth import Gate
from kubelet.server.serve import serve
from wherry.api.authentication_v1 import TokenReview, TokenReviewStatus, UserInfo
from wherry.api.authorization_v1 import SubjectAccessReviewStatus
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import SystemClock
from wherry.daemon.tls import server_context

POD = Pod.from_wire(
    {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
        "spec": {"containers": [{"name": "c"}, {"name": "waiting"}]},
    }
)
RECORD = ContainerRecord(
    "id-1", State.RUNNING, datetime.now(UTC), started_at=datetime.now(UTC), image="i",
    labels={labels.CONTAINER_NAME: "c", labels.TYPE: labels.TYPE_CONTAINER},
)  # fmt: skip


class Pods:
    def pods(self):
        return [POD]

    def pod(self, namespace, name):
        return POD if (namespace, name) == ("shop", "web") else None

    def containers(self, pod_uid):
        return [RECORD]


class Cat:
    """A process that says back in capitals what it is told and ends with its input."""

    def __init__(self, code):
        self.code, self.said, self.sizes = code, asyncio.Queue(), []
        self.closed = asyncio.Event()

    async def read(self):
        return await self.said.get()

    async def write(self, data):
        await self.said.put((2 if data == b"err" else 1, data.upper()))

    async def close_stdin(self):
        await self.said.put(None)

    async def resize(self, width, height):
        self.sizes.append((width, height))
        await self.said.put((1, f"{width}x{height}".encode()))

    async def exit_code(self):
        return self.code

    async def close(self):
        self.closed.set()


class Engine:
    def __init__(self):
        self.process = None
        self.more = asyncio.Event()
        self.hung_up = asyncio.Event()

    async def logs(self, container_id, **options):
        yield 1, b"one\n"
        if options["follow"]:
            try:
                await self.more.wait()
            finally:
                self.hung_up.set()
        yield 2, b"two\n"

    async def exec_sync(self, container_id, command, timeout):
        return ExecResult(int(command[-1]), " ".join(command).encode())

    async def exec(self, container_id, command, **options):
        if command == ["broken"]:
            raise RuntimeFailure("engine says no")
        self.process = Cat(int(command[-1]) if command[-1].isdigit() else 0)
        return self.process


class Reviewer:
    async def create(self, review):
        if isinstance(review, TokenReview):
            user = UserInfo(username=review.spec.token)
            known = review.spec.token in ("friend", "stranger")
            return review.with_(status=TokenReviewStatus(authenticated=known, user=user))
        return review.with_(
            status=SubjectAccessReviewStatus(allowed=review.spec.user in ("friend", "apiserver"))
        )


def issue(folder, name, ca=None):
    """A certificate and key as files; self-signed CA without `ca`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    issuer, signer = (subject, key) if ca is None else (ca[2].subject, ca[3])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    crt, pem = folder / f"{name}.crt", folder / f"{name}.key"
    crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return crt, pem, certificate, key


class World:
    def __init__(self, folder):
        self.engine = Engine()
        self.ca = issue(folder, "ca")
        self.serving = issue(folder, "serving", self.ca)
        self.client = issue(folder, "apiserver", self.ca)
        self.port = 0

    def context(self, *, certificate=False):
        context = ssl.create_default_context(cafile=self.ca[0])
        if certificate:
            context.load_cert_chain(self.client[0], self.client[1])
        return context

    def http(self, *, certificate=False, token=""):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        base = f"https://localhost:{self.port}"
        return httpx.AsyncClient(verify=self.context(certificate=certificate), base_url=base, headers=headers)  # fmt: skip

    def exec(self, command, **options):
        query = "&".join([f"command={word}" for word in command] + ["input=1&output=1&error=1"])
        return websockets.connect(
            f"wss://localhost:{self.port}/exec/shop/web/c?{query}",
            ssl=self.context(certificate=True),
            compression=None,
            proxy=None,
            subprotocols=options.get("subprotocols", ["v5.channel.k8s.io", "v4.channel.k8s.io"]),
        )


@asynccontextmanager
async def running(folder):
    world, listening = World(folder), asyncio.Event()
    server = Server(Pods(), world.engine, CollectorRegistry(), SystemClock())
    app = server.app(Gate(Reviewer(), "n1", SystemClock()))

    def on_listening(port):
        world.port = port
        listening.set()

    context = server_context(world.serving[0], world.serving[1], world.ca[0])
    task = asyncio.create_task(serve(app, "127.0.0.1", 0, context, on_listening=on_listening))
    try:
        await asyncio.wait_for(listening.wait(), 5)
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def world(tmp_path):
    async with running(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("caller", "code", "text"),
    [
        pytest.param({"certificate": True}, 200, "ok", id="certificate"),
        pytest.param({"token": "friend"}, 200, "ok", id="token"),
        pytest.param(
            {"token": "stranger"},
            403,
            "Forbidden (user=stranger, verb=get, resource=nodes, subresource(s)=[healthz proxy])",
            id="known, not allowed",
        ),
        pytest.param({"token": "nobody"}, 401, "Unauthorized", id="unknown token"),
        pytest.param({}, 401, "Unauthorized", id="nobody"),
    ],
)
async def test_callers(world, caller, code, text):
    async with world.http(**caller) as http:
        answer = await http.get("/healthz")
    assert (answer.status_code, answer.text) == (code, text)


@pytest.mark.parametrize(
    ("caller", "code", "text"),
    [({}, 401, b"Unauthorized"), ({"token": "stranger"}, 403, b"Forbidden (user=stranger")],
    ids=["nobody", "not-allowed"],
)
async def test_refused_callers_of_streams_are_told_why(world, caplog, caller, code, text):
    headers = {"authorization": f"Bearer {caller['token']}"} if caller else {}
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        await websockets.connect(
            f"wss://localhost:{world.port}/exec/shop/web/c?command=cat",
            ssl=world.context(), proxy=None, additional_headers=headers,
            subprotocols=["v5.channel.k8s.io"],
        )  # fmt: skip
    response = refused.value.response
    assert (response.status_code, response.body[: len(text)]) == (code, text)
    assert not [r for r in caplog.records if r.levelname == "ERROR"], "the server is content"


async def test_pods_and_metrics(world):
    async with world.http(certificate=True) as http:
        pods = (await http.get("/pods")).json()
        metrics = await http.get("/metrics")
        running = (await http.get("/runningpods/")).json()
        checks = [(await http.get(f"/healthz/{name}")).text for name in ("ping", "log", "syncloop")]
    assert [pods["kind"], pods["items"][0]["metadata"]["name"]] == ["PodList", "web"]
    assert [pod["spec"] for pod in running["items"]] == [
        {"containers": [{"name": "c", "image": "i"}]}
    ]
    assert metrics.status_code == 200
    assert checks == ["ok"] * 3


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("c?cmd=echo 0", 200, "echo 0"),
        ("c?cmd=fail 3", 500, "command 'fail 3' exited with 3: fail 3"),
        ("waiting?cmd=x", 500, 'container not found ("waiting")'),
        ("none?cmd=x", 404, 'container "none" not found in pod "web"'),
    ],
)
async def test_a_command_run_to_its_end(world, path, code, text):
    async with world.http(certificate=True) as http:
        answer = await http.post(f"/run/shop/web/{path}")
    assert (answer.status_code, answer.text) == (code, text)


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        pytest.param("shop/web/c", 200, "one\ntwo\n", id="all"),
        pytest.param("shop/web/c?limitBytes=5", 200, "one\nt", id="limited"),
        pytest.param("shop/none/c", 404, 'pod "none" does not exist', id="no pod"),
        pytest.param("shop/web/x", 404, 'container "x" not found in pod "web"', id="no container"),
        pytest.param(
            "shop/web/waiting", 400, 'container "waiting" in pod "web" is not available',
            id="not started",
        ),
    ],
)  # fmt: skip
async def test_logs(world, path, code, text):
    async with world.http(certificate=True) as http:
        answer = await http.get(f"/containerLogs/{path}")
    assert (answer.status_code, answer.text) == (code, text)


async def test_followed_logs_come_as_they_are_written(world):
    path = "/containerLogs/shop/web/c?follow=true"
    async with world.http(certificate=True) as http, http.stream("GET", path) as answer:
        pieces = answer.aiter_text()
        assert await anext(pieces) == "one\n"
        world.engine.more.set()
        assert await anext(pieces) == "two\n"


async def test_a_follower_that_leaves_is_let_go(world):
    path = "/containerLogs/shop/web/c?follow=true"
    async with world.http(certificate=True) as http, http.stream("GET", path) as answer:
        assert await anext(answer.aiter_text()) == "one\n"
    await asyncio.wait_for(world.engine.hung_up.wait(), 5)


class Dialect:
    """A client's side of the channels, in binary or in base64."""

    def __init__(self, socket, protocol):
        self.socket, self.is_base64 = socket, "base64." in protocol

    async def say(self, channel, data):
        text = f"{channel}{base64.b64encode(data).decode()}" if self.is_base64 else None
        await self.socket.send(text or bytes([channel]) + data)

    async def hear(self):
        message = await self.socket.recv()
        assert isinstance(message, str) is self.is_base64
        if self.is_base64:
            return int(message[0]), base64.b64decode(message[1:])
        return message[0], message[1:]


STATUSES = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io")
OLDEST = ("channel.k8s.io", "base64.channel.k8s.io", "")


@pytest.mark.parametrize("protocol", [*STATUSES, *OLDEST])
async def test_exec(world, protocol):
    offered = [protocol] if protocol else None
    async with world.exec(["cat", "3"], subprotocols=offered) as socket:
        assert (socket.subprotocol or "") == protocol
        client = Dialect(socket, protocol)
        assert await client.hear() == (1, b""), "the session stands"
        await client.say(0, b"hello")
        assert await client.hear() == (1, b"HELLO")
        await client.say(0, b"err")
        assert await client.hear() == (2, b"ERR")
        await client.say(4, b'{"Width":80,"Height":24}')
        assert await client.hear() == (1, b"80x24")
        await world.engine.process.close_stdin()
        channel, final = await client.hear()
        assert channel == 3
        if protocol in STATUSES:
            status = json.loads(final)
            assert status["reason"] == "NonZeroExitCode"
            assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
        else:
            assert final.startswith(b"command terminated with non-zero exit code: ")
        with pytest.raises(websockets.ConnectionClosedOK):
            await socket.recv()
    assert world.engine.process.closed.is_set()


async def test_the_end_of_input(world):
    async with world.exec(["cat", "3"]) as socket:
        assert await socket.recv() == b"\1"
        await socket.send(b"\xff\0")
        assert json.loads((await socket.recv())[1:])["status"] == "Failure"


async def test_exec_ends_with_success(world):
    async with world.exec(["true"]) as socket:
        assert await socket.recv() == b"\1"
        await socket.send(b"\xff\0")
        final = await socket.recv()
    assert json.loads(final[1:]) == {"metadata": {}, "status": "Success"}


async def test_success_has_no_words_in_the_oldest_dialect(world):
    async with world.exec(["true"], subprotocols=["channel.k8s.io"]) as socket:
        assert await socket.recv() == b"\1"
        await world.engine.process.close_stdin()
        with pytest.raises(websockets.ConnectionClosedOK):
            await socket.recv()


async def test_the_process_is_let_go_when_the_client_leaves(world):
    async with world.exec(["cat"]) as socket:
        await socket.send(b"\0hello")
        await socket.recv()
    await asyncio.wait_for(world.engine.process.closed.wait(), 5)


@pytest.mark.parametrize(
    ("command", "options", "code", "text"),
    [
        pytest.param(["broken"], {}, 500, b"engine says no", id="engine refuses"),
        pytest.param([], {}, 400, b"you must specify a command to execute", id="no command"),
        pytest.param(
            ["cat"], {"subprotocols": ["v1.other"]}, 400,
            b"protocols known here are v5.channel.k8s.io, v4.channel.k8s.io, v4.base64.channel.k8s.io, "
            b"channel.k8s.io, base64.channel.k8s.io", id="no protocol",
        ),
    ],
)  # fmt: skip
async def test_exec_refused(world, command, options, code, text):
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with world.exec(command, **options):
            pass
    assert (caught.value.response.status_code, caught.value.response.body) == (code, text)
