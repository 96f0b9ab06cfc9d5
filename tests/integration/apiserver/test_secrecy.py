"""No secret in logs, events, errors, metrics, the audit (at Metadata) or process lists.

A server gets every kind of secret there is, errors are provoked with them, and then everything it says
anywhere is searched.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import yaml

from tests.integration.conftest import TOKEN, ApiServer, Etcd

SECRETS = "/api/v1/namespaces/default/secrets"
STATIC, WRONG = "static-token-3f9a", "wrong-token-77be"
HOOK, PASSWORD = "webhook-token-a1c4", "secret-data-9d21"
KEY = base64.b64encode(b"0123456789abcdef0123456789abcd3f").decode()


def files(folder: Path) -> list[str]:
    (folder / "tokens.csv").write_text(
        f'{TOKEN},admin,1,"system:masters"\n{STATIC},jane,2,"system:authenticated"\n'
    )
    (folder / "encryption.yaml").write_text(
        yaml.safe_dump(
            {
                "kind": "EncryptionConfiguration",
                "apiVersion": "apiserver.config.k8s.io/v1",
                "resources": [
                    {
                        "resources": ["secrets"],
                        "providers": [{"aesgcm": {"keys": [{"name": "k", "secret": KEY}]}}],
                    }
                ],
            }
        )
    )
    (folder / "hook.yaml").write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1/"}}],
                "users": [{"name": "u", "user": {"token": HOOK}}],
            }
        )
    )
    (folder / "policy.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "rules": [{"level": "Metadata"}],
            }
        )
    )
    return [
        f"--token-auth-file={folder}/tokens.csv",
        f"--encryption-provider-config={folder}/encryption.yaml",
        f"--audit-policy-file={folder}/policy.yaml",
        f"--audit-log-path={folder}/audit.log",
        f"--audit-webhook-config-file={folder}/hook.yaml",
        "--audit-webhook-batch-max-wait=1ms",
        "--audit-webhook-initial-backoff=1ms",
        "--v=5",
    ]


def told_of_process(pid: int) -> list[str]:
    """What others can see of it."""
    return [Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ")]


async def provoke(client: httpx.AsyncClient, account_token: str) -> list[str]:
    """Requests that go wrong in many ways with secrets in them; all texts that came back as errors."""
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    good = {"metadata": {"name": "s"}, "stringData": {"password": PASSWORD}}
    assert (await client.post(SECRETS, json=good)).status_code == 201
    patch = {"Content-Type": "application/json-patch+json"}
    merge = {"Content-Type": "application/merge-patch+json"}
    answers = [
        await client.post(SECRETS, json=good),
        await client.post(SECRETS, json={**good, "metadata": {"name": "Not A Name"}}),
        await client.post(SECRETS, json={**good, "data": {"a/b": encoded}}),
        await client.post(SECRETS, json={**good, "data": {"password": PASSWORD}}),
        await client.post(SECRETS, json={**good, "type": "kubernetes.io/tls"}),
        await client.post(SECRETS, json={**good, "data": PASSWORD}),
        await client.post(SECRETS, content=f'{{"stringData": {{"a": "{PASSWORD}'.encode()),
        await client.put(f"{SECRETS}/other", json=good),
        await client.patch(f"{SECRETS}/s", headers=merge, json={"immutable": PASSWORD}),
        await client.patch(
            f"{SECRETS}/s",
            headers=patch,
            content=json.dumps([{"op": "test", "path": "/data/password", "value": PASSWORD}]),
        ),
        await client.get(SECRETS, headers={"Authorization": f"Bearer {WRONG}"}),
        await client.get(SECRETS, headers={"Authorization": f"Basic {WRONG}"}),
        await client.get(SECRETS, headers={"Authorization": f"Bearer {account_token[:-4]}AAAA"}),
        await client.get(SECRETS, headers={"Authorization": f"Bearer {STATIC}"}),
    ]
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": WRONG},
    }
    answers.append(await client.post("/apis/authentication.k8s.io/v1/tokenreviews", json=review))
    # A TokenReview's answer repeats its spec, as upstream's does; what it says of the token must not.
    reviewed = answers.pop().json()
    refused = [one.text for one in answers if one.status_code >= 400]
    assert len(refused) >= 10
    return [*refused, json.dumps(reviewed["status"])]


async def test_secrets_are_nowhere_to_be_read(
    make_apiserver: Callable[..., ApiServer], etcd: Etcd, tmp_path: Path
) -> None:
    server = make_apiserver(*files(tmp_path))
    async with server.client() as client:
        made = await client.post(
            "/api/v1/namespaces/default/serviceaccounts", json={"metadata": {"name": "robot"}}
        )
        assert made.status_code == 201
        issued = await client.post(
            "/api/v1/namespaces/default/serviceaccounts/robot/token",
            json={"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}},
        )
        account_token = issued.json()["status"]["token"]
        texts = await provoke(client, account_token)
        texts.append((await client.get("/metrics")).text)
        texts.append((await client.get("/api/v1/events")).text)
        assert server.process is not None
        texts += told_of_process(server.process.pid)
        etcd.kill()  # what is said when the store is away
        answer = await client.post(
            SECRETS, json={"metadata": {"name": "t"}, "stringData": {"a": PASSWORD}}, timeout=60
        )
        texts.append(answer.text)
        etcd.start()
    server.stop()
    texts += [server.log, (tmp_path / "audit.log").read_text()]
    assert "audit webhook" in server.log, "the log was searched with errors in it"
    signature = account_token.rpartition(".")[2]
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    private = (server.directory / "sa.key").read_text().splitlines()[2]
    secrets = (
        TOKEN, STATIC, WRONG, HOOK, PASSWORD, encoded, KEY, signature, private,
    )  # fmt: skip
    for secret in secrets:
        for number, text in enumerate(texts):
            at = text.find(secret)
            assert at < 0, f"text {number}: {text[max(0, at - 200) : at + 60]}"
