"""Tokens of an outside issuer (OpenID Connect), with a real one on loopback over HTTPS."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.integration.apiserver.pki import Authority
from tests.integration.apiserver.refusals import refusal

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
WHO_BODY = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
WAIT_SECONDS = 60.0


class Issuer:
    """Serves its discovery document and its keys; signs whatever it is told."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.authority = Authority(folder, f"issuer-ca-{port}")
        pair = self.authority.issue(
            "localhost", address="localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH
        )
        self.keys: dict[str, Any] = {}
        self.asked: list[str] = []
        self.document_changes: dict[str, Any] = {}
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pair)
        self.server: ThreadingHTTPServer | None = None
        self.port = port
        self.start()
        self.add_key("k1")

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self) -> None:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                body = json.dumps(issuer.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.socket = self._context.wrap_socket(server.socket, server_side=True)
        self.server, self.port = server, server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def answer(self, path: str) -> dict[str, Any]:
        if path == "/keys":
            return {"keys": [self._jwk(name, key) for name, key in self.keys.items()]}
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.document_changes}

    def _jwk(self, name: str, key: Any) -> dict[str, Any]:
        kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"}

    def add_key(self, name: str, key: Any = None) -> None:
        self.keys[name] = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, key: str = "k1", algorithm: str = "RS256", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": "wherry", "sub": "jane", "iat": now, "exp": now + 600,
            "groups": ["dev", "ops"], "email": "jane@example.com", **changes,
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.keys[key], algorithm=algorithm, headers={"kid": key})


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    made = Issuer(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def flags(issuer: Issuer, *more: str) -> tuple[str, ...]:
    return (
        f"--oidc-issuer-url={issuer.url}", "--oidc-client-id=wherry",
        f"--oidc-ca-file={issuer.authority.path}", "--oidc-groups-claim=groups",
        "--oidc-groups-prefix=out:", *more,
    )  # fmt: skip


async def who(server: Any, token: str) -> httpx.Response:
    async with server.client() as client:
        headers = {"Authorization": f"Bearer {token}"}
        return await client.post(WHO, json=WHO_BODY, headers=headers)


async def until_known(server: Any, issuer: Issuer) -> httpx.Response:
    """Whom a good token stands for, as soon as the server has the issuer's keys."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (answer := await who(server, issuer.token())).status_code != 201:
        assert time.monotonic() < deadline, server.log[-2000:]
        await asyncio.sleep(0.1)
    return answer


async def test_flags(make_apiserver: Callable[..., Any], issuer: Issuer) -> None:
    server = make_apiserver(*flags(issuer, "--oidc-required-claim=email=jane@example.com"))
    user = (await until_known(server, issuer)).json()["status"]["userInfo"]
    assert user == {
        "username": f"{issuer.url}#jane", "groups": ["out:dev", "out:ops", "system:authenticated"],
    }  # fmt: skip
    single = await who(server, issuer.token(groups="dev", aud=["x", "wherry"]))
    assert single.json()["status"]["userInfo"]["groups"] == ["out:dev", "system:authenticated"]
    now = int(time.time())
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    genuine = issuer.token()
    issuer.keys["k1"], genuine_key = stranger, issuer.keys["k1"]
    forged = issuer.token()
    issuer.keys["k1"] = genuine_key
    head, body, signature = genuine.split(".")
    for why, token in {
        "expired": issuer.token(exp=now - 1),
        "no expiry": issuer.token(exp=None),
        "not yet valid": issuer.token(nbf=now + 3600),
        "for others": issuer.token(aud="other"),
        "for nobody": issuer.token(aud=None),
        "without a name": issuer.token(sub=None),
        "name of no sense": issuer.token(sub=["jane"]),
        "groups of no sense": issuer.token(groups={"a": 1}),
        "another required claim": issuer.token(email="eve@example.com"),
        "another issuer": issuer.token(iss="https://localhost:1"),
        "another key": forged,
        "algorithm that is not allowed": issuer.token(algorithm="RS512"),
        "tampered": f"{head}.{body[:-4]}AAAA.{signature}",
        "none": jwt.encode({"iss": issuer.url, "sub": "jane", "exp": now + 60}, None, "none"),
    }.items():
        answer = await who(server, token)
        assert (why, answer.status_code) == (why, 401)
    async with server.client() as client:
        spec = {"token": genuine}
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        status = (await client.post(path, json=review)).json()["status"]
        assert status["authenticated"] is True
        assert status["user"]["username"] == f"{issuer.url}#jane"


async def test_new_keys_are_fetched_when_they_are_met(
    make_apiserver: Callable[..., Any], issuer: Issuer
) -> None:
    """Of many requests with a new key, the issuer is asked once; of many with an invented one too."""
    server = make_apiserver(*flags(issuer, "--oidc-signing-algs=RS256,ES256"))
    await until_known(server, issuer)
    await asyncio.sleep(10.5)  # no more than one question in ten seconds
    issuer.add_key("k2", ec.generate_private_key(ec.SECP256R1()))
    issuer.asked.clear()
    tokens = [issuer.token("k2", "ES256", sub=f"user{number}") for number in range(10)]
    answers = await asyncio.gather(*(who(server, token) for token in tokens))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert issuer.asked.count("/keys") == 1
    issuer.add_key("k3")
    invented = issuer.token("k3")
    del issuer.keys["k3"]
    answers = await asyncio.gather(*(who(server, invented) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [401] * 10
    assert issuer.asked.count("/keys") <= 2


async def test_an_issuer_that_is_away(make_apiserver: Callable[..., Any], issuer: Issuer) -> None:
    issuer.stop()
    server = make_apiserver(*flags(issuer))
    assert (await who(server, issuer.token())).status_code == 401
    assert (await who(server, "test-token")).status_code == 201  # others do not notice
    assert f"issuer {issuer.url}: its keys cannot be fetched" in server.log
    issuer.start()
    await until_known(server, issuer)
    issuer.stop()
    assert (await who(server, issuer.token())).status_code == 201  # its keys are known


@pytest.mark.parametrize(
    "changes", [{"issuer": "https://elsewhere"}, {"jwks_uri": "http://localhost/keys"}]
)
async def test_an_issuer_that_is_another(
    make_apiserver: Callable[..., Any], issuer: Issuer, changes: dict[str, Any]
) -> None:
    issuer.document_changes = changes
    server = make_apiserver(*flags(issuer))
    deadline = time.monotonic() + WAIT_SECONDS
    while "its keys cannot be fetched" not in server.log:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert (await who(server, issuer.token())).status_code == 401


CONFIG = """
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
jwt:
- issuer:
    url: {url}
    audiences: [wherry, other]
    audienceMatchPolicy: MatchAny
    certificateAuthority: |
{authority}
  claimValidationRules:
  - claim: email
    requiredValue: jane@example.com
  claimMappings:
    username: {{claim: email, prefix: "out:"}}
    groups: {{claim: groups, prefix: ""}}
    uid: {{claim: sub}}
"""


async def test_configuration_file(
    make_apiserver: Callable[..., Any], issuer: Issuer, tmp_path: Path
) -> None:
    file = tmp_path / "authentication.yaml"
    indented = "".join(f"      {line}\n" for line in issuer.authority.pem.decode().splitlines())
    file.write_text(CONFIG.format(url=issuer.url, authority=indented))
    server = make_apiserver(f"--authentication-config={file}")
    user = (await until_known(server, issuer)).json()["status"]["userInfo"]
    assert user == {
        "username": "out:jane@example.com", "uid": "jane",
        "groups": ["dev", "ops", "system:authenticated"],
    }  # fmt: skip
    refused = await who(server, issuer.token(email="eve@example.com"))
    assert refused.status_code == 401
    assert (await who(server, issuer.token(aud="other"))).status_code == 201
    async with server.client() as client:
        client.headers.pop("authorization")
        assert (await client.get("/livez")).status_code == 200
        for path in ("/livez/ping", "/version", "/LIVEZ"):
            assert (path, (await client.get(path)).status_code) == (path, 401)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--oidc-issuer-url=https://x"], "must be specified together"),
        (["--oidc-issuer-url=http://x", "--oidc-client-id=a"], "URL scheme must be https"),
        (["--oidc-issuer-url=https://x", "--oidc-client-id=a", "--oidc-signing-algs=HS256"],
         "unsupported signing algorithm 'HS256'"),
        (["--authentication-config=/nowhere"], "--authentication-config: "),
        (["--requestheader-client-ca-file=/nowhere"], "--requestheader-client-ca-file: "),
    ],
)  # fmt: skip
async def test_refuses_to_start(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert words in await refusal(tmp_path, *arguments)
