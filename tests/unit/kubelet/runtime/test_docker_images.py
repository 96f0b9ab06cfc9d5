"""Pulls by the SDK: what the engine is asked, and what its answers are in the kubelet's terms."""

import asyncio
import base64
import gc
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from urllib.parse import parse_qs, urlsplit

import pytest

from kubelet.runtime.docker_images import DockerImages
from kubelet.runtime.protocol import NotFound, RuntimeFailure, RuntimeUnavailable

PULLED = b'{"status":"Pulling from a/b"}\r\n{"status":"Status: Downloaded newer image"}\r\n'
REFUSED = (
    b'{"status":"Pulling from a/b"}\r\n{"errorDetail":{"message":"denied"},"error":"denied"}\r\n'
)


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


class Engine:
    """Answers every pull or removal the same; `asked` are (method, path, query, credentials)."""

    def __init__(self, status=200, body=PULLED, held=None):
        self.status, self.body, self.held = status, body, held
        self.asked = []

    @contextmanager
    def at(self, path, called=lambda *call, failed: None):
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "unix"

            def log_message(self, *words):
                return

            def do_GET(self):
                self.say(200, json.dumps({"ApiVersion": "1.44", "MinAPIVersion": "1.44"}).encode())

            def do_POST(self):
                url = urlsplit(self.path)
                auth = json.loads(
                    base64.urlsafe_b64decode(self.headers.get("X-Registry-Auth", "")) or "null"
                )
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                engine.asked.append((self.command, url.path, query, auth))
                if engine.held is not None:
                    engine.held.wait(30)
                self.say(engine.status, engine.body)

            do_DELETE = do_POST

            def say(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")  # as the engine tells its progress
                self.end_headers()
                self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

        with Server(str(path), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield DockerImages(str(path), called)
            finally:
                server.shutdown()
                thread.join()


@pytest.mark.parametrize(
    ("reference", "name", "tag"),
    [
        ("a/b", "a/b", "latest"),  # without a tag the engine would pull every tag there is
        ("host:5000/a/b:1", "host:5000/a/b", "1"),
        ("a/b@sha256:" + "0" * 64, "a/b", "sha256:" + "0" * 64),
    ],
)
async def test_a_pull(tmp_path, reference, name, tag):
    engine = Engine()
    with engine.at(tmp_path / "s") as images:
        await images.pull(reference, {"username": "u", "password": "p", "serveraddress": "host"})
    query = {"fromImage": name, "tag": tag}
    auth = {"username": "u", "password": "p", "serveraddress": "host"}
    assert engine.asked == [("POST", "/v1.44/images/create", query, auth)]


async def test_without_credentials_none_are_looked_for(tmp_path, monkeypatch):
    token = base64.b64encode(b"u:p").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"host": {"auth": token}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    engine = Engine()
    with engine.at(tmp_path / "s") as images:
        await images.pull("host/a:1", {})
    assert engine.asked[0][3] == {}


@pytest.mark.parametrize(
    ("engine", "error", "words"),
    [
        (Engine(body=REFUSED), RuntimeFailure, "denied"),
        (Engine(404, b'{"message":"pull access denied for a/b"}'), NotFound, "pull access denied for a/b"),
        (Engine(500, b'{"message":"oops"}'), RuntimeFailure, "oops"),
    ],
    ids=["while it pulls", "not found", "at once"],
)  # fmt: skip
async def test_a_failed_pull(tmp_path, engine, error, words):
    with engine.at(tmp_path / "s") as images, pytest.raises(error) as found:
        await images.pull("a/b:1", {})
    assert type(found.value) is error
    assert words in str(found.value)


async def test_a_removal(tmp_path):
    engine = Engine(404, b'{"message":"No such image: a/b:1"}')
    told = []
    with (
        engine.at(tmp_path / "s", lambda *call, failed: told.append((*call[:2], failed))) as images,
        pytest.raises(NotFound, match="No such image"),
    ):
        await images.remove("a/b:1")
    assert told == [("DELETE", "/images/a/b:1", True)]
    assert engine.asked[0][:2] == ("DELETE", "/v1.44/images/a/b:1")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_no_engine(tmp_path):
    with pytest.raises(RuntimeUnavailable):
        await DockerImages(str(tmp_path / "none")).pull("a/b:1", {})
    gc.collect()  # the SDK leaves a socket that could not connect to the collector


async def test_who_does_not_wait_any_longer_is_not_held(tmp_path):
    held = threading.Event()
    engine = Engine(held=held)
    with engine.at(tmp_path / "s") as images:
        pulling = asyncio.create_task(images.pull("a/b:1", {}))
        async with asyncio.timeout(20):
            while not engine.asked:
                await asyncio.sleep(0.01)
            pulling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await pulling
        held.set()
        await images.pull("a/b:2", {})
    assert len(engine.asked) == 2
