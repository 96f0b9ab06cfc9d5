"""A machine with a token and a real TLS server that says where the cluster is."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller_manager.bootstrap.plan import Token as SigningToken
from controller_manager.bootstrap.plan import cluster_kubeconfig, detached_signature
from deploy import discovery
from deploy.discovery import INFO_PATH, discover
from deploy.pki import Subject, Usage, certificate_pem, ensure_authority, key_pem, new_certificate
from deploy.preflight import Problem
from deploy.tokens import Token, key_hashes

TOKEN = Token("abcdef", "0123456789abcdef")


class Server:
    """Answers the one path with `data`, under certificates for `name`."""

    def __init__(self, folder: Path, name: str = "127.0.0.1") -> None:
        authority = ensure_authority(folder)
        self.ca = authority.path.read_bytes()
        subject = Subject("kube-apiserver", names=(name,), usage=Usage.SERVER)
        pair = new_certificate(authority, subject, datetime.now(UTC), timedelta(days=1))
        (folder / "server.crt").write_bytes(certificate_pem(pair[0]))
        (folder / "server.key").write_bytes(key_pem(pair[1]))
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"data": server.data}).encode()
                self.send_response(200 if self.path == INFO_PATH and server.data else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.http.server_address[1]}"
        text = cluster_kubeconfig(self.url, self.ca.decode())
        signature = detached_signature(text, SigningToken(TOKEN.ident, TOKEN.secret))
        self.data = {"kubeconfig": text, f"jws-kubeconfig-{TOKEN.ident}": signature}
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.stop()


def test_the_cluster_is_found_and_its_server_checked(server: Server) -> None:
    found = discover(server.url, TOKEN, key_hashes(server.ca))
    assert (found.server, found.ca) == (server.url, server.ca)
    assert discover(server.url, TOKEN, []).ca == server.ca


@pytest.mark.parametrize(("hours", "way"), [(1, "ahead of"), (-1, "behind")])
def test_a_clock_an_hour_off(server: Server, hours: int, way: str) -> None:
    off = timedelta(hours=hours)
    with pytest.raises(Problem, match=rf"clock is 3\d\d\d s {way} the API server's"):
        discover(server.url, TOKEN, key_hashes(server.ca), lambda: datetime.now(UTC) + off)


def test_a_server_that_the_authority_does_not_vouch_for(tmp_path: Path) -> None:
    made = Server(tmp_path, "another.example.com")
    try:
        with pytest.raises(Problem, match=r"is not reached: certificate: .*mismatch"):
            discover(made.url, TOKEN, key_hashes(made.ca))
    finally:
        made.stop()


def test_nobody_there_and_somebody_else(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "SIGNING_SECONDS_MAX", 0.5)
    with pytest.raises(Problem, match="knows no token zzzzzz: it was never made, has expired"):
        discover(server.url, Token("zzzzzz", "0" * 16), [])
    server.data = {}
    with pytest.raises(Problem, match=r"does not say where the cluster is \(status 404\)"):
        discover(server.url, TOKEN, [])
    server.stop()
    with pytest.raises(Problem, match="is not reached: connection refused"):
        discover(server.url, TOKEN, [])
