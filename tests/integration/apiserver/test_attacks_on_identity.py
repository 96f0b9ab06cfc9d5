"""Certificates, front-proxy headers, impersonation and paths that are forged or stretched: all refused."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.integration.apiserver.pki import HOUR, Authority
from tests.integration.apiserver.secured import (
    RBAC,
    SECRET_TEXT,
    WAIT_SECONDS,
    WHO,
    WHO_BODY,
    Secured,
    admin,
    etcd_here,
    make,
    name_of,
    raw,
    secured,
    whoami,
)
from tests.integration.conftest import TOKEN, Etcd, running_apiserver

__all__ = ["admin", "etcd_here", "secured"]  # fixtures


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
    path = secured.clients.issue("jane", ends=timedelta(seconds=8))
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


async def test_of_two_credentials_the_first_counts(secured: Secured) -> None:
    """As for upstream: a proxy before us that looked at the first must not be gone around."""
    good, bad = f"Authorization: Bearer {TOKEN}", "Authorization: Bearer stolen"
    assert (await raw(secured, "/api", None, "Host: x", good, bad))[0] == 200
    assert (await raw(secured, "/api", None, "Host: x", bad, good))[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Content-Length: 4", "Content-Length: 5"),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: +4",),
        ("X: a", " folded: line"),
        ("X: a\nAuthorization: b",),
        ("X: \0",),
    ],
)
async def test_a_request_that_hides_another_is_refused(
    secured: Secured, headers: tuple[str, ...]
) -> None:
    """What two servers in a row may read differently (request smuggling)."""
    status, answer = await raw(secured, "/version", None, "Host: x", *headers)
    assert status == 400
    assert answer.count("HTTP/1.1") == 1


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
