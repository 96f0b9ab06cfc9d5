"""Credentials against a real server: certificates, tokens of all kinds, reviews."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.apiserver.refusals import refusal

ISSUER = "https://kubernetes.default.svc"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS = "/api/v1/namespaces/default/pods"


def body(version: str, kind: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, **rest}


async def whoami(client: httpx.AsyncClient, **options: Any) -> httpx.Response:
    review = body("authentication.k8s.io/v1", "SelfSubjectReview")
    return await client.post(WHO, json=review, **options)


async def test_token_file_anonymous_and_bad(shared_apiserver: Any) -> None:
    async with shared_apiserver.client() as client:
        answer = await whoami(client)
        assert answer.status_code == 201
        assert answer.json()["status"] == {
            "userInfo": {
                "username": "admin", "uid": "1", "groups": ["system:masters", "system:authenticated"],
            }
        }  # fmt: skip
        bad = await whoami(client, headers={"Authorization": "Bearer nope"})
        assert bad.status_code == 401
        assert bad.json()["reason"] == "Unauthorized"
        client.headers.pop("authorization")  # nobody is anonymous where everything is allowed
        assert (await whoami(client)).status_code == 401
        assert (await client.get("/api/v1/pods")).status_code == 401
        assert (await client.get("/metrics")).status_code == 401
        for path in ("/healthz", "/livez/ping", "/readyz?verbose", "/version"):
            assert (await client.get(path)).status_code == 200


async def test_routes_of_the_application_authenticate_too(shared_apiserver: Any) -> None:
    async with shared_apiserver.client() as client:
        client.headers["authorization"] = "Bearer nope"
        for path in ("/version", "/metrics", "/openapi/v3", "/api", "/readyz", "/none", "/"):
            answer = await client.get(path)
            assert (path, answer.status_code) == (path, 401)
            assert answer.json()["kind"] == "Status"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority and client certificates it signed: ca.crt, jane.pem, other.pem."""
    folder = tmp_path_factory.mktemp("pki")
    ca_key, other_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = certificate("ca", [], ca_key, None, ca_key)
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    foreign = certificate("other-ca", [], other_key, None, other_key)
    for name, signer, signer_key in (("jane", ca, ca_key), ("other", foreign, other_key)):
        key = ec.generate_private_key(ec.SECP256R1())
        made = certificate(name, ["dev", "ops"], key, signer, signer_key)
        pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / f"{name}.pem").write_bytes(pem)
    return folder


def certificate(
    name: str, groups: list[str], key: Any, signer: x509.Certificate | None, signer_key: Any
) -> x509.Certificate:
    now = datetime.now(UTC)
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if signer is None else signer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(signer is None, None), critical=True)
        .sign(signer_key, hashes.SHA256())
    )


async def test_client_certificates(make_apiserver: Callable[..., Any], authority: Path) -> None:
    secured = make_apiserver(f"--client-ca-file={authority / 'ca.crt'}")
    context = ssl.create_default_context(cafile=str(secured.ca_file))
    context.load_cert_chain(authority / "jane.pem")
    async with httpx.AsyncClient(base_url=secured.url, verify=context) as client:
        for _ in range(2):  # worked out once per connection
            user = (await whoami(client)).json()["status"]["userInfo"]
            (credential,) = user.pop("extra")["authentication.kubernetes.io/credential-id"]
            assert credential.startswith("X509SHA256=")
            assert user == {"username": "jane", "groups": ["dev", "ops", "system:authenticated"]}
        config = await client.get(
            "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
        )
        assert config.json()["data"]["client-ca-file"] == (authority / "ca.crt").read_text()
    foreign = ssl.create_default_context(cafile=str(secured.ca_file))
    foreign.load_cert_chain(authority / "other.pem")
    async with httpx.AsyncClient(base_url=secured.url, verify=foreign) as client:
        with pytest.raises(httpx.TransportError):
            await whoami(client)
    async with secured.client() as client:  # without a certificate, the token counts
        assert (await whoami(client)).json()["status"]["userInfo"]["username"] == "admin"


def claims(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=="))
    return found


async def make_account_and_pod(client: httpx.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    account = await client.post(
        ACCOUNTS, json=body("v1", "ServiceAccount", metadata={"name": "bot"})
    )
    spec = {"serviceAccountName": "bot", "containers": [{"name": "c", "image": "i"}]}
    pod = await client.post(PODS, json=body("v1", "Pod", metadata={"name": "p"}, spec=spec))
    assert (account.status_code, pod.status_code) == (201, 201), pod.text
    return account.json(), pod.json()


async def ask_token(client: httpx.AsyncClient, **spec: Any) -> httpx.Response:
    request = body("authentication.k8s.io/v1", "TokenRequest", spec=spec)
    return await client.post(f"{ACCOUNTS}/bot/token", json=request)


async def test_bound_tokens_die_with_their_pod(apiserver: Any) -> None:
    async with apiserver.client() as client:
        account, pod = await make_account_and_pod(client)
        reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod["metadata"]["uid"]}
        answer = await ask_token(client, boundObjectRef=reference, expirationSeconds=3607)
        assert answer.status_code == 201, answer.text
        token = answer.json()["status"]["token"]
        found = claims(token)
        assert found["aud"] == [ISSUER]
        assert found["sub"] == "system:serviceaccount:default:bot"
        assert (
            found["exp"] - found["iat"] == 365 * 24 * 3600
        )  # long for old clients, with a warning
        assert found["kubernetes.io"] == {
            "namespace": "default",
            "pod": {"name": "p", "uid": pod["metadata"]["uid"]},
            "serviceaccount": {"name": "bot", "uid": account["metadata"]["uid"]},
            "warnafter": found["iat"] + 3607,
        }
        headers = {"Authorization": f"Bearer {token}"}
        user = (await whoami(client, headers=headers)).json()["status"]["userInfo"]
        assert user["username"] == "system:serviceaccount:default:bot"
        assert user["groups"] == [
            "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
        ]  # fmt: skip
        review = body("authentication.k8s.io/v1", "TokenReview", spec={"token": token})
        status = (await client.post(REVIEW, json=review)).json()["status"]
        assert status["authenticated"] is True
        assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
        await client.delete(f"{PODS}/p?gracePeriodSeconds=0")
        assert (await whoami(client, headers=headers)).status_code == 401
        status = (await client.post(REVIEW, json=review)).json()["status"]
        assert "authenticated" not in status
        assert "has been invalidated" in status["error"]


async def test_token_requests_that_make_no_sense(apiserver: Any) -> None:
    async with apiserver.client() as client:
        await make_account_and_pod(client)
        short = await ask_token(client, expirationSeconds=5)
        assert short.status_code == 422
        assert short.json()["details"]["causes"][0]["field"] == "spec.expirationSeconds"
        other = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "other"}
        assert (await ask_token(client, boundObjectRef=other)).status_code == 409
        missing = {"kind": "Pod", "apiVersion": "v1", "name": "none"}
        assert (await ask_token(client, boundObjectRef=missing)).status_code == 404
        nobody = body("authentication.k8s.io/v1", "TokenRequest", spec={})
        assert (await client.post(f"{ACCOUNTS}/none/token", json=nobody)).status_code == 404
        foreign = (await ask_token(client, audiences=["vault"])).json()["status"]["token"]
        headers = {"Authorization": f"Bearer {foreign}"}
        assert (await whoami(client, headers=headers)).status_code == 401
        for audiences, good in ((["vault"], True), (["other"], False)):
            spec = {"token": foreign, "audiences": audiences}
            review = body("authentication.k8s.io/v1", "TokenReview", spec=spec)
            status = (await client.post(REVIEW, json=review)).json()["status"]
            assert status.get("authenticated", False) is good


async def test_issuer_documents(shared_apiserver: Any) -> None:
    async with shared_apiserver.client() as client:
        document = (await client.get("/.well-known/openid-configuration")).json()
        assert document["issuer"] == ISSUER
        (key,) = (await client.get("/openid/v1/jwks")).json()["keys"]
        assert (key["kty"], key["alg"]) == ("RSA", "RS256")


async def test_access_reviews(shared_apiserver: Any) -> None:
    spec: dict[str, Any] = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    mine = body("authorization.k8s.io/v1", "SelfSubjectAccessReview", spec=spec)
    theirs = body(
        "authorization.k8s.io/v1", "SubjectAccessReview", spec={**spec, "user": "system:node:n1"}
    )
    async with shared_apiserver.client() as client:
        answer = await client.post(f"{ACCESS}/selfsubjectaccessreviews", json=mine)
        assert answer.json()["status"]["allowed"] is True
        answer = await client.post(f"{ACCESS}/subjectaccessreviews", json=theirs)
        assert answer.json()["status"]["allowed"] is True
        named = await client.post(
            f"{ACCESS}/selfsubjectaccessreviews", json={**mine, "metadata": {"name": "x"}}
        )
        assert named.status_code == 422
        assert named.json()["details"]["causes"][0]["field"] == "metadata"
        nobody = {**theirs, "spec": spec}
        answer = await client.post(f"{ACCESS}/subjectaccessreviews", json=nobody)
        assert answer.json()["details"]["causes"][0]["field"] == "spec.user"


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--authorization-mode=Nope", "authorization mode 'Nope' is not supported"),
        ("--token-auth-file=/nowhere", "--token-auth-file: "),
        ("--enable-admission-plugins=Nope", "admission plugin 'Nope' is not known"),
        ("--tls-cert-file=/nowhere", "--tls-private-key-file"),
        ("--bind-address=203.0.113.9", "cannot listen on 203.0.113.9"),
    ],
)
async def test_refuses_to_start(tmp_path: Path, flag: str, words: str) -> None:
    assert words in await refusal(tmp_path, flag)


def test_says_in_one_line_why_it_does_not_start(tmp_path: Path) -> None:
    words = "--token-auth-file: "
    command = [
        sys.executable, "-m", "apiserver.main", "--etcd-servers=http://127.0.0.1:1",
        "--bind-address=127.0.0.1", "--secure-port=1024", f"--cert-dir={tmp_path}",
        "--token-auth-file=/nowhere",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
