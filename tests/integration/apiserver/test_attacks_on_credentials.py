"""Tokens that are bad, forged or stolen: each is refused, and none is in the log."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.integration.apiserver.secured import (
    ISSUER,
    REVIEW,
    SECRET_TEXT,
    WAIT_SECONDS,
    Secured,
    admin,
    etcd_here,
    make,
    name_of,
    raw,
    secured,
    whoami,
)

__all__ = ["admin", "etcd_here", "secured"]  # fixtures


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
