"""Credentials that are bad, forged, stolen or stretched: each is refused, and none is in the log.

One server with everything on: Node and RBAC, client certificates, front proxies, bootstrap tokens.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.integration.apiserver.pki import HOUR, Authority, context
from tests.integration.conftest import ApiServer, Etcd, running_apiserver, running_etcd

ISSUER = "https://kubernetes.default.svc"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
WHO_BODY = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
SECRET_TEXT = "dont-tell-anybody"  # what must not come out
WAIT_SECONDS = 20.0


@dataclass
class Secured:
    server: ApiServer
    clients: Authority
    proxies: Authority
    strangers: Authority

    def admin(self) -> httpx.AsyncClient:
        return self.server.client()

    def anybody(self, certificate: Path | None = None, token: str = "") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        tls = context(self.server.ca_file, certificate)
        return httpx.AsyncClient(
            base_url=self.server.url, verify=tls, headers=headers, timeout=15.0
        )


@pytest.fixture(scope="module")
def etcd_here() -> Iterator[Etcd]:
    with running_etcd() as etcd:
        yield etcd


@pytest.fixture(scope="module")
def secured(etcd_here: Etcd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("pki")
    clients, proxies, strangers = (
        Authority(folder, name) for name in ("clients", "proxies", "strangers")
    )
    flags = (
        "--authorization-mode=Node,RBAC", f"--client-ca-file={clients.path}",
        f"--requestheader-client-ca-file={proxies.path}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-uid-headers=X-Remote-Uid",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--enable-bootstrap-token-auth", "--v=4",
    )  # fmt: skip
    with running_apiserver(etcd_here, *flags) as server:
        yield Secured(server, clients, proxies, strangers)


@pytest.fixture
async def admin(secured: Secured) -> AsyncIterator[httpx.AsyncClient]:
    async with secured.admin() as client:
        yield client


async def whoami(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post(WHO, json=WHO_BODY, headers=headers)


async def name_of(client: httpx.AsyncClient, **headers: str) -> str:
    answer = await whoami(client, **headers)
    assert answer.status_code == 201, answer.text
    name: str = answer.json()["status"]["userInfo"]["username"]
    return name


async def make(client: httpx.AsyncClient, path: str, tree: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=tree)
    assert answer.status_code in (201, 409), answer.text
    found: dict[str, Any] = answer.json()
    return found


# --- certificates ---


@pytest.mark.parametrize(
    ("begins", "ends"), [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)], ids=["expired", "not-yet-valid"]
)
async def test_certificate_out_of_its_time(
    secured: Secured, begins: timedelta, ends: timedelta
) -> None:
    path = secured.clients.issue("jane", "system:masters", begins=begins, ends=ends)
    async with secured.anybody(path) as client:
        for url in (WHO, "/api/v1/secrets", "/version"):  # not even as anonymous
            answer = await client.get(url)
            assert (url, answer.status_code) == (url, 401)
            assert answer.json()["reason"] == "Unauthorized"


async def test_certificate_that_runs_out_on_a_standing_connection(secured: Secured) -> None:
    path = secured.clients.issue("jane", ends=timedelta(seconds=4))
    async with secured.anybody(path) as client:
        assert await name_of(client) == "jane"
        deadline = time.monotonic() + WAIT_SECONDS
        while (answer := await whoami(client)).status_code == 201:
            assert time.monotonic() < deadline, "still good"
            await asyncio.sleep(0.2)
        assert answer.status_code == 401


async def test_certificates_of_others_do_not_get_in(secured: Secured) -> None:
    stranger = secured.strangers.issue("jane", "system:masters")
    server_only = secured.clients.issue("jane", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    for path in (stranger, server_only):
        async with secured.anybody(path) as client:
            with pytest.raises(httpx.TransportError):  # refused by TLS already
                await whoami(client)


async def test_certificate_tells_uid_and_credential(secured: Secured) -> None:
    async with secured.anybody(secured.clients.issue("jane", "dev", uid="u-17")) as client:
        user = (await whoami(client)).json()["status"]["userInfo"]
    assert (user["username"], user["uid"]) == ("jane", "u-17")
    assert user["groups"] == ["dev", "system:authenticated"]
    (credential,) = user["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")


async def test_authorities_are_taken_up_and_dropped_live(etcd: Etcd, tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    bundle = tmp_path / "bundle.crt"
    bundle.write_bytes(old.pem)
    with running_apiserver(etcd, f"--client-ca-file={bundle}") as server:
        here = Secured(server, old, new, new)
        async with here.anybody(old.issue("before")) as standing:
            assert await name_of(standing) == "before"
            renewed = tmp_path / "renewed.crt"
            renewed.write_bytes(new.pem)
            shutil.move(renewed, bundle)
            after = new.issue("after")
            deadline = time.monotonic() + WAIT_SECONDS
            while True:
                async with here.anybody(after) as client:
                    with contextlib.suppress(httpx.TransportError):
                        assert await name_of(client) == "after"
                        break
                assert time.monotonic() < deadline, "the new authority is not trusted"
                await asyncio.sleep(0.2)
            assert (await whoami(standing)).status_code == 401


# --- front proxies ---

FORGED = {
    "X-Remote-User": "root", "X-Remote-Group": "system:masters", "X-Remote-Uid": "0",
    "X-Remote-Extra-Scopes": "all",
}  # fmt: skip


async def test_front_proxy_speaks_for_others(secured: Secured) -> None:
    async with secured.anybody(secured.proxies.issue("front-proxy-client")) as client:
        headers = [
            ("X-Remote-User", "alice"), ("X-Remote-Group", "dev"), ("X-Remote-Group", "ops"),
            ("X-Remote-Uid", "u1"), ("X-Remote-Extra-Acme.com%2fproject", "p1"),
        ]  # fmt: skip
        answer = await client.post(WHO, json=WHO_BODY, headers=headers)
        assert answer.json()["status"]["userInfo"] == {
            "username": "alice", "uid": "u1", "groups": ["dev", "ops", "system:authenticated"],
            "extra": {"acme.com/project": ["p1"]},
        }  # fmt: skip
        assert (await whoami(client)).status_code == 401  # it is nobody itself


async def test_forged_front_proxy_headers(secured: Secured) -> None:
    async with secured.anybody() as client:
        answer = await client.get("/api/v1/secrets", headers=FORGED)
        assert answer.status_code == 403
        assert 'User "system:anonymous"' in answer.json()["message"]
    async with secured.anybody(secured.clients.issue("jane")) as client:
        assert await name_of(client, **FORGED) == "jane"
    # The clients' authority signs anybody; the name of a front proxy makes none.
    async with secured.anybody(secured.clients.issue("front-proxy-client")) as client:
        assert await name_of(client, **FORGED) == "front-proxy-client"
    async with secured.anybody(secured.proxies.issue("somebody-else")) as client:
        assert (await whoami(client, **FORGED)).status_code == 401
    expired = secured.proxies.issue("front-proxy-client", begins=-2 * HOUR, ends=-HOUR)
    async with secured.anybody(expired) as client:
        assert (await whoami(client, **FORGED)).status_code == 401
    async with secured.admin() as client:
        assert await name_of(client, **FORGED) == "admin"


async def test_extension_servers_learn_whom_to_trust(
    secured: Secured, admin: httpx.AsyncClient
) -> None:
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    data = (await admin.get(path)).json()["data"]
    assert data["client-ca-file"].encode() == secured.clients.pem
    assert data["requestheader-client-ca-file"].encode() == secured.proxies.pem
    assert json.loads(data["requestheader-allowed-names"]) == ["front-proxy-client"]
    assert json.loads(data["requestheader-username-headers"]) == ["X-Remote-User"]
    assert json.loads(data["requestheader-extra-headers-prefix"]) == ["X-Remote-Extra-"]


# --- tokens ---


def forge(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"x") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts)


async def bot_token(client: httpx.AsyncClient, **spec: Any) -> str:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await make(
        client,
        accounts,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}},
    )
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = await client.post(f"{accounts}/bot/token", json=request)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["status"]["token"]
    return token


def bad_tokens(good: str, folder: Path) -> dict[str, str]:
    """Tokens that must not be believed, made of one that is."""
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    head, body, signature = good.split(".")
    signing: Any = load_pem_private_key((folder / "sa.key").read_bytes(), None)
    public = (folder / "sa.pub").read_bytes()
    now = int(datetime.now(UTC).timestamp())
    admin = {**claims, "sub": "system:serviceaccount:kube-system:admin"}

    def signed(key: Any, algorithm: str = "RS256", **changes: Any) -> str:
        headers = {"kid": header["kid"]}
        return jwt.encode({**claims, **changes}, key, algorithm=algorithm, headers=headers)

    hs_input = forge(claims, {**header, "alg": "HS256"}).rpartition(".")[0]
    mac = hmac.new(public, hs_input.encode(), hashlib.sha256).digest()
    other = forge(admin, header).split(".")[1]
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "garbage": "not-a-token", "dots": "..", "three": "a.b.c", "not base64": "ä.ö.ü",
        "alg none": forge(claims, {**header, "alg": "none"}, b""),
        "alg None": forge(claims, {**header, "alg": "None"}),
        "no alg": forge(claims, {"kid": header["kid"]}),
        "HS256 with the public key": f"{hs_input}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "other claims": f"{head}.{other}.{signature}",
        "no signature": f"{head}.{body}.",
        "half a signature": f"{head}.{body}.{signature[: len(signature) // 2]}",
        "junk in the signature": f"{head}.{body}.{signature}!",
        "another key": signed(stranger),
        "another kind of key": signed(ec.generate_private_key(ec.SECP256R1()), "ES256"),
        "another algorithm": signed(signing, "RS512"),
        "unknown key id": jwt.encode(claims, signing, algorithm="RS256", headers={"kid": "?"}),
        "critical header": jwt.encode(
            claims, signing, algorithm="RS256", headers={"kid": header["kid"], "crit": ["b64"]}
        ),
        "expired": signed(signing, exp=now - 3600, iat=now - 7200, nbf=now - 7200),
        "not yet valid": signed(signing, nbf=now + 3600, exp=now + 7200),
        "issued in the future": signed(signing, iat=now + 3600, exp=now + 7200),
        "never expires": jwt.encode(
            {k: v for k, v in claims.items() if k != "exp"}, signing, headers={"kid": header["kid"]},
            algorithm="RS256",
        ),
        "wrong audience": signed(signing, aud=["vault"]),
        "wrong issuer": signed(signing, iss="https://elsewhere"),
        "another account's uid": signed(
            signing,
            **{"kubernetes.io": {
                "namespace": "default", "serviceaccount": {"name": "bot", "uid": "other"},
            }},
        ),
        "claims of no sense": signed(signing, **{"kubernetes.io": ["x"]}),
        "expiry of no sense": signed(signing, exp=True),
        "oversized": f"{head}.{body}{'A' * 20_000}.{signature}",
        "deeply nested": forge({}, header).split(".")[0]
        + "." + base64.urlsafe_b64encode(b"[" * 12_000).rstrip(b"=").decode() + ".eA",
    }  # fmt: skip


async def test_bad_tokens(secured: Secured, admin: httpx.AsyncClient) -> None:
    good = await bot_token(admin)
    async with secured.anybody(token=good) as client:
        assert await name_of(client) == "system:serviceaccount:default:bot"
    bad = bad_tokens(good, secured.server.directory)
    async with secured.anybody() as client:
        for why, token in bad.items():
            headers = {"Authorization": f"Bearer {token}".encode()}
            for path in ("/api/v1/namespaces/default", "/version"):
                answer = await client.get(path, headers=headers)
                assert (why, answer.status_code) == (why, 401), answer.text
                assert answer.json()["message"] == "Unauthorized"  # and not why
    for why, token in bad.items():
        body = {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
        }  # fmt: skip
        answer = await admin.post(REVIEW, json=body)
        assert answer.status_code == 201, (why, answer.text)
        status = answer.json()["status"]
        assert "authenticated" not in status, why
        assert "bearer token" in status["error"]
        assert token not in status["error"]
    assert "failed" not in "".join(
        line for line in secured.server.log.splitlines() if "Traceback" in line
    )
    assert "Traceback" not in secured.server.log


async def test_a_leaked_token_for_others_is_no_use_here(
    secured: Secured, admin: httpx.AsyncClient
) -> None:
    foreign = await bot_token(admin, audiences=["vault"])
    async with secured.anybody(token=foreign) as client:
        assert (await client.get("/version")).status_code == 401
    for audiences, good in ((["vault"], ["vault"]), ([ISSUER], None), (["vault", "x"], ["vault"])):
        spec = {"token": foreign, "audiences": audiences}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        status = (await admin.post(REVIEW, json=body)).json()["status"]
        assert status.get("audiences") == good


async def test_tokens_of_a_secret_die_with_it(secured: Secured, admin: httpx.AsyncClient) -> None:
    await bot_token(admin)
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    uid = (await admin.get(f"{accounts}/bot")).json()["metadata"]["uid"]
    prefix = "kubernetes.io/serviceaccount"
    claims = {
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:bot",
        f"{prefix}/namespace": "default", f"{prefix}/service-account.name": "bot",
        f"{prefix}/service-account.uid": uid, f"{prefix}/secret.name": "bot-token",
    }  # fmt: skip
    signing: Any = load_pem_private_key((secured.server.directory / "sa.key").read_bytes(), None)
    token = jwt.encode(claims, signing, algorithm="RS256")
    async with secured.anybody(token=token) as client:
        assert (await whoami(client)).status_code == 401  # no Secret holds it
        metadata = {
            "name": "bot-token", "annotations": {"kubernetes.io/service-account.name": "bot"},
        }  # fmt: skip
        secret = {
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata,
            "type": "kubernetes.io/service-account-token", "stringData": {"token": token},
        }  # fmt: skip
        secrets = "/api/v1/namespaces/default/secrets"
        await make(admin, secrets, secret)
        assert await name_of(client) == "system:serviceaccount:default:bot"
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            labels = (await admin.get(f"{secrets}/bot-token")).json()["metadata"].get("labels", {})
            if labels.get("kubernetes.io/legacy-token-last-used") == today:
                break
            assert time.monotonic() < deadline, labels
            await asyncio.sleep(0.1)
        metrics = (await admin.get("/metrics")).text
        assert "serviceaccount_legacy_manual_token_uses_total 1.0" in metrics
        mark = {"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}}}
        merge = {"content-type": "application/merge-patch+json"}
        await admin.patch(f"{secrets}/bot-token", json=mark, headers=merge)
        assert (await whoami(client)).status_code == 401
        other = {
            "data": {"token": base64.b64encode(b"other").decode()},
            "metadata": {"labels": None},
        }
        await admin.patch(f"{secrets}/bot-token", json=other, headers=merge)
        assert (await whoami(client)).status_code == 401


async def test_node_bound_tokens_die_with_the_node(
    secured: Secured, admin: httpx.AsyncClient
) -> None:
    node = await make(
        admin, "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    )
    reference = {"kind": "Node", "apiVersion": "v1", "name": "n1", "uid": node["metadata"]["uid"]}
    token = await bot_token(admin, boundObjectRef=reference)
    async with secured.anybody(token=token) as client:
        extra = (await whoami(client)).json()["status"]["userInfo"]["extra"]
        assert extra["authentication.kubernetes.io/node-name"] == ["n1"]
        assert extra["authentication.kubernetes.io/node-uid"] == [node["metadata"]["uid"]]
        assert (await admin.delete("/api/v1/nodes/n1")).status_code == 200
        assert (await whoami(client)).status_code == 401


async def test_tokens_in_websocket_handshakes(secured: Secured, admin: httpx.AsyncClient) -> None:
    good = await bot_token(admin)
    target = "/api/v1/namespaces/default/pods/none/exec?command=x"

    async def ask(token: str, *more: str, upgrade: str = "websocket") -> tuple[int, str]:
        encoded = base64.urlsafe_b64encode(token.encode()).rstrip(b"=").decode()
        offered = [f"base64url.bearer.authorization.k8s.io.{encoded}", *more]
        headers = (
            "Host: x", "Connection: upgrade", f"Upgrade: {upgrade}", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            f"Sec-WebSocket-Protocol: {', '.join(offered)}",
        )  # fmt: skip
        return await raw(secured, target, None, *headers)

    code, text = await ask(good, "v5.channel.k8s.io")
    assert (code, "system:serviceaccount:default:bot" in text) == (403, True)
    assert (await ask("nonsense", "v5.channel.k8s.io"))[0] == 401
    assert (await ask(good))[0] == 401  # nothing is left to speak
    code, text = await ask(good, "v5.channel.k8s.io", upgrade="SPDY/3.1")
    assert (code, "system:anonymous" in text) == (403, True)


# --- bootstrap tokens ---


async def test_bootstrap_tokens(secured: Secured, admin: httpx.AsyncClient) -> None:
    secrets = "/api/v1/namespaces/kube-system/secrets"

    async def put(**changes: str | None) -> None:
        data = {
            "token-id": "abcdef", "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:workers",
            **{key.replace("_", "-"): value for key, value in changes.items()},
        }  # fmt: skip
        await admin.delete(f"{secrets}/bootstrap-token-abcdef")
        await make(admin, secrets, {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bootstrap-token-abcdef"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {key: value for key, value in data.items() if value is not None},
        })  # fmt: skip

    past = (datetime.now(UTC) - timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    future = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with secured.anybody(token="abcdef.0123456789abcdef") as client:
        await put(expiration=future)
        user = (await whoami(client)).json()["status"]["userInfo"]
        assert user["username"] == "system:bootstrap:abcdef"
        assert user["groups"] == [
            "system:bootstrappers", "system:bootstrappers:workers", "system:authenticated",
        ]  # fmt: skip
        for changes in (
            {"expiration": past}, {"expiration": "soon"}, {"token_secret": "fedcba9876543210"},
            {"token_id": "fedcba"}, {"usage_bootstrap_authentication": "false"},
            {"usage_bootstrap_authentication": None}, {"auth_extra_groups": "system:masters"},
        ):  # fmt: skip
            await put(**changes)
            assert (changes, (await whoami(client)).status_code) == (changes, 401)
        await admin.delete(f"{secrets}/bootstrap-token-abcdef")
        assert (await whoami(client)).status_code == 401


# --- impersonation ---


@pytest.fixture
async def deputy(secured: Secured, admin: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """Who may act as bob, as one service account and with one extra; and may do nothing else."""
    rules = [
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["bob"]},
        {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["dev"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"],
         "verbs": ["impersonate"], "resourceNames": ["view"]},
    ]  # fmt: skip
    meta = {"name": "deputy"}
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    await make(admin, f"{RBAC}/clusterroles", {**kind, "metadata": meta, "rules": rules})
    await make(admin, f"{RBAC}/clusterrolebindings", {
        **kind, "kind": "ClusterRoleBinding", "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "deputy"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "deputy"}],
    })  # fmt: skip
    async with secured.anybody(secured.clients.issue("deputy")) as client:
        # Refusals speak of the way by which one got through before.
        assert await name_of(client, **{"Impersonate-User": "bob"}) == "bob"
        yield client


async def test_impersonation_of_whom_one_may(deputy: httpx.AsyncClient) -> None:
    headers = [
        ("Impersonate-User", "bob"), ("Impersonate-Group", "dev"),
        ("Impersonate-Extra-Scopes", "view"),
    ]  # fmt: skip
    answer = await deputy.post(WHO, json=WHO_BODY, headers=headers)
    assert answer.json()["status"]["userInfo"] == {
        "username": "bob", "groups": ["dev", "system:authenticated"], "extra": {"scopes": ["view"]},
    }  # fmt: skip
    refused = await deputy.get("/api/v1/secrets", headers={"Impersonate-User": "bob"})
    assert refused.status_code == 403
    assert 'User "bob" cannot list resource "secrets"' in refused.json()["message"]


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ([("Impersonate-User", "admin")], 'users "admin" is forbidden'),
        ([("Impersonate-User", "bob"), ("Impersonate-Group", "system:masters")],
         'groups "system:masters" is forbidden'),
        ([("Impersonate-User", "bob"), ("Impersonate-Group", "dev"),
          ("Impersonate-Group", "system:masters")], 'groups "system:masters" is forbidden'),
        ([("Impersonate-User", "bob"), ("Impersonate-Uid", "0")],
         'uids.authentication.k8s.io "0" is forbidden'),
        ([("Impersonate-User", "bob"), ("Impersonate-Extra-Scopes", "all")],
         'userextras.authentication.k8s.io "all" is forbidden'),
        ([("Impersonate-User", "bob"), ("Impersonate-Extra-Other", "view")],
         'userextras.authentication.k8s.io "view" is forbidden'),
        ([("Impersonate-User", "system:serviceaccount:kube-system:default")],
         'serviceaccounts "default" is forbidden'),
        ([("Impersonate-User", "system:anonymous")], 'users "system:anonymous" is forbidden'),
    ],
)  # fmt: skip
async def test_impersonation_beyond_what_one_may(
    deputy: httpx.AsyncClient, headers: list[tuple[str, str]], refused: str
) -> None:
    for path in ("/api/v1/secrets", "/metrics", "/version"):
        answer = await deputy.get(path, headers=headers)
        assert (path, answer.status_code) == (path, 403), answer.text
        message = answer.json()["message"]
        assert message.startswith(refused), message
        assert 'User "deputy" cannot impersonate resource' in message


@pytest.mark.parametrize(
    "header", ["Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-Scopes"]
)
async def test_impersonation_of_nobody(deputy: httpx.AsyncClient, header: str) -> None:
    answer = await deputy.get("/api/v1/secrets", headers={header: "system:masters"})
    assert answer.status_code == 400
    assert answer.json()["reason"] == "BadRequest"


async def test_impersonating_makes_nobody_stronger(
    secured: Secured, deputy: httpx.AsyncClient
) -> None:
    """bob may not impersonate: not even through the deputy, and not twice."""
    headers = [("Impersonate-User", "bob"), ("Impersonate-User", "admin")]
    answer = await deputy.post(WHO, json=WHO_BODY, headers=headers)
    assert answer.json()["status"]["userInfo"]["username"] == "bob"
    async with secured.anybody() as client:
        answer = await client.get("/version", headers={"Impersonate-User": "admin"})
        assert answer.status_code == 403
        assert 'User "system:anonymous" cannot impersonate-on:' in answer.json()["message"]


async def test_impersonation_for_some_requests_only(
    secured: Secured, admin: httpx.AsyncClient
) -> None:
    group = "authentication.k8s.io"
    rules = [
        {"apiGroups": [group], "resources": ["users"], "verbs": ["impersonate:user-info"],
         "resourceNames": ["admin-of-all"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["impersonate-on:user-info:list"]},
    ]  # fmt: skip
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    meta = {"name": "viewer-as"}
    await make(admin, f"{RBAC}/clusterroles", {**kind, "metadata": meta, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
    for role, user in (("viewer-as", "viewer"), ("cluster-admin", "admin-of-all")):
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
        await make(admin, f"{RBAC}/clusterrolebindings", {
            **kind, "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "roleRef": {**reference, "name": role}, "subjects": [subject],
        })  # fmt: skip
    async with secured.anybody(secured.clients.issue("viewer")) as client:
        acting = {"Impersonate-User": "admin-of-all"}
        assert (await client.get("/api/v1/pods", headers=acting)).status_code == 200
        for path in ("/api/v1/secrets", "/api/v1/namespaces/default/pods/x", "/metrics"):
            assert (path, (await client.get(path, headers=acting)).status_code) == (path, 403)
        masters = {**acting, "Impersonate-Group": "system:masters"}
        assert (await client.get("/api/v1/pods", headers=masters)).status_code == 403


async def test_administrators_may_be_anybody(admin: httpx.AsyncClient) -> None:
    account = "system:serviceaccount:default:bot"
    answer = await whoami(admin, **{"Impersonate-User": account})
    assert answer.json()["status"]["userInfo"]["groups"] == [
        "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
    ]  # fmt: skip
    answer = await admin.get("/api/v1/pods", headers={"Impersonate-User": "system:anonymous"})
    assert answer.status_code == 403
    answer = await admin.get("/version", headers={"Impersonate-User": "system:anonymous"})
    assert answer.status_code == 200


# --- anonymous, and ways around ---


async def test_anonymous_sees_health_and_version_only(secured: Secured) -> None:
    async with secured.anybody() as client:
        for path in ("/healthz", "/livez", "/readyz", "/version", "/version/"):
            assert (path, (await client.get(path)).status_code) == (path, 200)
        for path in (
            "/", "/api", "/apis", "/api/v1", "/openapi/v2", "/openapi/v3", "/metrics",
            "/.well-known/openid-configuration", "/openid/v1/jwks", "/api/v1/namespaces",
        ):  # fmt: skip
            assert (path, (await client.get(path)).status_code) == (path, 403)
        assert (await client.post("/healthz")).status_code == 403
    async with secured.anybody(secured.clients.issue("jane")) as client:
        for path in ("/api", "/apis", "/api/v1", "/openapi/v3"):
            assert (path, (await client.get(path)).status_code) == (path, 200)
        assert (await client.get("/metrics")).status_code == 403


async def raw(secured: Secured, target: str, client: Path | None, *headers: str) -> tuple[int, str]:
    """Status and body of a GET whose target and headers go out as they are."""
    tls = context(secured.server.ca_file, client)
    reader, writer = await asyncio.open_connection("127.0.0.1", secured.server.port, ssl=tls)
    try:
        lines = [f"GET {target} HTTP/1.1", *(headers or ("Host: x",)), "Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode("latin-1"))
        answer = (await asyncio.wait_for(reader.read(), WAIT_SECONDS)).decode("latin-1")
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    return int(answer.split(" ", 2)[1]), answer


TRICKS = [
    "/api/v1/secrets", "//api/v1/secrets", "/api//v1/secrets", "/api/v1//secrets", "/api/v1/secrets/",
    "/api/v1/./secrets", "/api/v1/x/../secrets", "/healthz/../api/v1/secrets",
    "/version/../api/v1/secrets", "/%61pi/v1/secrets", "/api/v1/%73ecrets", "/api/v1/secrets%00",
    "/api%2fv1%2fsecrets", "/healthz%2f..%2fapi%2fv1%2fsecrets", "/healthz/%2e%2e/api/v1/secrets",
    "/API/v1/secrets", "/api/V1/secrets", "/api/v1/Secrets", "/api/v1/secrets;a=b", "/api/v1/secrets#x",
    "/api/v1/secrets?watch=true", "/api/v1/watch/secrets", "/api/v1/namespaces/open/../default/secrets",
    "/api/v1/namespaces/open/%2e%2e/default/secrets", "/api/v1/namespaces/open%2f..%2fdefault/secrets",
    "/api/v1/namespaces/open/pods/../../default/secrets", "/api/v1/namespaces/open/secrets/../pods",
    "/api/v1/namespaces/default/secrets/hidden", "/api/v1/namespaces/default/secrets/%68idden",
    "/api/v1/namespaces/OPEN/secrets", "/api/v1/namespaces/default/secrets?namespace=open",
    "https://x/api/v1/secrets", "/api/v1/namespaces/default/pods/p/proxy/../../secrets",
    "/livez/..%5capi/v1/secrets", "/metrics", "//metrics", "/healthz/../metrics", "/metrics/",
    "/healthz/%2e%2e/metrics", "/logs/", "/debug/pprof",
]  # fmt: skip


async def test_ways_around_authorization(secured: Secured, admin: httpx.AsyncClient) -> None:
    """Whoever may read pods of one namespace gets nobody's secrets by spelling paths oddly."""
    for name in ("open",):
        await make(
            admin, "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        )  # fmt: skip
    for namespace in ("default", "open"):
        await make(admin, f"/api/v1/namespaces/{namespace}/secrets", {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"},
            "stringData": {"text": SECRET_TEXT},
        })  # fmt: skip
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
    where = f"{RBAC}/namespaces/open"
    await make(admin, f"{where}/roles", {**kind, "metadata": {"name": "r"}, "rules": rules})
    await make(admin, f"{where}/rolebindings", {
        **kind, "kind": "RoleBinding", "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}],
    })  # fmt: skip
    reader = secured.clients.issue("reader")
    assert (await raw(secured, "/api/v1/namespaces/open/pods", reader))[0] == 200
    hidden = base64.b64encode(SECRET_TEXT.encode()).decode()
    hosts = (
        "Host: x", "Host: x/healthz?", "Host: x/healthz#", "Host: x/healthz/", "Host: ",
        "Host: x/api/v1/namespaces/open/pods?",
    )  # fmt: skip
    for target in TRICKS:
        for client in (None, reader):
            for host in hosts if target in ("/metrics", "/api/v1/secrets") else hosts[:1]:
                code, text = await raw(secured, target, client, host)
                assert code in (400, 401, 403, 404), (target, host, client, code)
                assert hidden not in text
                assert "apiserver_request_total" not in text, (target, host)
    for header in (
        "X-HTTP-Method-Override: GET", "X-Original-URL: /healthz", "X-Rewrite-URL: /healthz",
        "X-Forwarded-For: 127.0.0.1",
    ):  # fmt: skip
        code, _ = await raw(secured, "/api/v1/secrets", reader, "Host: x", header)
        assert code == 403


# --- what others may learn ---


async def test_service_accounts_may_learn_the_issuers_keys(
    secured: Secured, admin: httpx.AsyncClient
) -> None:
    """By the default role system:service-account-issuer-discovery; with them anybody can verify."""
    token = await bot_token(admin, audiences=["vault"])
    async with secured.anybody(token=await bot_token(admin)) as client:
        document = await client.get("/.well-known/openid-configuration")
        keys = await client.get("/openid/v1/jwks")
        assert (await client.get("/metrics")).status_code == 403
    for answer in (document, keys):
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=3600"
    assert document.headers["content-type"] == "application/json"
    assert keys.headers["content-type"] == "application/jwk-set+json"
    assert document.json() == {
        "issuer": ISSUER, "jwks_uri": f"{ISSUER}/openid/v1/jwks",
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }  # fmt: skip
    (key,) = jwt.PyJWKSet.from_dict(keys.json()).keys
    assert key.key_id == jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="vault", issuer=ISSUER)
    assert claims["sub"] == "system:serviceaccount:default:bot"
    async with secured.anybody(secured.clients.issue("jane")) as client:
        assert (await client.get("/openid/v1/jwks")).status_code == 403


# --- requests for tokens ---


async def test_requests_for_tokens_that_make_no_sense(admin: httpx.AsyncClient) -> None:
    await bot_token(admin)
    path = "/api/v1/namespaces/default/serviceaccounts/bot/token"

    async def ask(metadata: dict[str, Any], **spec: Any) -> httpx.Response:
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        return await admin.post(path, json={**kind, "metadata": metadata, "spec": spec})

    pod = {"kind": "Pod", "apiVersion": "v1", "name": "none"}
    for metadata, spec, code, words in (
        ({}, {"expirationSeconds": 599}, 422, "may not specify a duration less than 10 minutes"),
        ({}, {"expirationSeconds": 2**32 + 1}, 422, "may not specify a duration larger than 2^32"),
        ({"name": "other"}, {}, 422, "must match the service account name if specified"),
        ({"namespace": "other"}, {}, 422, "must match the service account namespace"),
        ({"uid": "other"}, {}, 409, "does not match the UID of the service account"),
        ({}, {"boundObjectRef": pod}, 404, 'pods "none" not found'),
        ({}, {"boundObjectRef": {**pod, "kind": "Service"}}, 400,
         "cannot bind token to object of type /v1, Kind=Service"),
        ({}, {"boundObjectRef": {**pod, "apiVersion": "apps/v1"}}, 400,
         "cannot bind token to object of type apps/v1, Kind=Pod"),
    ):  # fmt: skip
        answer = await ask(metadata, **spec)
        assert (spec, answer.status_code) == (spec, code), answer.text
        assert words in answer.json()["message"]
    good = await ask({"name": "bot", "namespace": "default"})
    account = (await admin.get("/api/v1/namespaces/default/serviceaccounts/bot")).json()
    assert good.json()["metadata"]["uid"] == account["metadata"]["uid"]
    assert good.json()["spec"]["audiences"] == [ISSUER]


# --- what the log tells ---


async def test_no_secret_is_in_the_log(secured: Secured, admin: httpx.AsyncClient) -> None:
    """After a run in which much failed; at --v=4, which tells the most."""
    good = await bot_token(admin)
    bad = bad_tokens(good, secured.server.directory)
    tokens = [good, *(token for token in bad.values() if len(token) > 20)]
    async with secured.anybody() as client:
        for token in tokens:
            headers = {"Authorization": f"Bearer {token}".encode()}
            await client.get("/api/v1/pods", headers=headers)
        basic = {"Authorization": f"Basic {base64.b64encode(SECRET_TEXT.encode()).decode()}"}
        await client.get("/api/v1/pods", headers=basic)
    log = secured.server.log
    assert "not authenticated" in log, "the run must have failed for this to show anything"
    for token in tokens:
        for part in token.split("."):
            assert len(part) < 20 or part[:40] not in log
    for text in (
        SECRET_TEXT, base64.b64encode(SECRET_TEXT.encode()).decode(), "test-token",
        "0123456789abcdef", "PRIVATE KEY",
    ):  # fmt: skip
        assert text not in log
