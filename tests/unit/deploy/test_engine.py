"""An engine that a kubelet could not speak to is named before anything is started."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from deploy.engine import engine_answers, need_engine
from deploy.preflight import Problem


@contextmanager
def engine(socket: Path, version: str, spoken: str) -> Iterator[None]:
    """What Docker Engine says of its version, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"Version": version, "ApiVersion": spoken}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *words: object) -> None:
            pass

    with socketserver.ThreadingUnixStreamServer(str(socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_an_engine_that_is_too_old_is_named(tmp_path: Path) -> None:
    socket = tmp_path / "docker.sock"
    assert not engine_answers(socket)
    with engine(socket, "19.03.15", "1.40"), pytest.raises(Problem) as caught:
        need_engine(socket)
    assert caught.value.cause == (
        f"the Docker Engine at {socket} is too old: version 19.03.15 (API 1.40), "
        "needed is 20.10 (API 1.41)"
    )
    socket.unlink()
    for version, spoken in (("20.10.24", "1.41"), ("29.1.0", "1.52")):
        with engine(socket, version, spoken):
            assert engine_answers(socket)
            need_engine(socket)
        socket.unlink()
