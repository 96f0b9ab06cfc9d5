"""Encryption at rest with a real etcd: what lies there, rotation, lost keys."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.apiserver.refusals import refusal
from tests.integration.conftest import ApiServer, Etcd

DEADLINE_SECONDS = 60.0
SECRETS = "/api/v1/namespaces/default/secrets"
VALUE = "a-plain-secret-value"
IDENTITY: dict[str, Any] = {"identity": {}}


def provider(kind: str, number: int) -> dict[str, Any]:
    secret = base64.b64encode(bytes([number]) * 32).decode()
    return {kind: {"keys": [{"name": f"key{number}", "secret": secret}]}}


def write(path: Path, *providers: dict[str, Any], names: tuple[str, ...] = ("secrets",)) -> Path:
    tree = {
        "kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": [{"resources": list(names), "providers": list(providers)}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(tree))
    return path


def stored(etcd: Etcd, key: str) -> bytes:
    """A value as it lies in etcd; empty when there is none."""
    asked = json.dumps({"key": base64.b64encode(key.encode()).decode()}).encode()
    with urllib.request.urlopen(f"{etcd.url}/v3/kv/range", data=asked, timeout=60) as answer:
        found = json.load(answer).get("kvs", [])
    return base64.b64decode(found[0]["value"]) if found else b""


def secret_key(name: str) -> str:
    return f"/registry/secrets/default/{name}"


async def make(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    body = {"metadata": {"name": name}, "stringData": {"password": VALUE}}
    answer = await client.post(SECRETS, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := await condition()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize("kind", ["aesgcm", "aescbc", "secretbox"])
async def test_secrets_are_sealed_and_all_verbs_work(
    make_apiserver: Callable[..., ApiServer], etcd: Etcd, tmp_path: Path, kind: str
) -> None:
    config = write(tmp_path / "encryption.yaml", provider(kind, 1), IDENTITY)
    server = make_apiserver(f"--encryption-provider-config={config}")
    async with server.client() as client:
        made = await make(client, "a")
        found = await client.get(f"{SECRETS}/a")
        assert base64.b64decode(found.json()["data"]["password"]).decode() == VALUE
        patched = await client.patch(
            f"{SECRETS}/a", json={"data": {"more": "eA=="}},
            headers={"Content-Type": "application/merge-patch+json"},
        )  # fmt: skip
        assert patched.json()["data"]["more"] == "eA=="
        listed = await client.get(SECRETS, params={"limit": 1})
        assert listed.json()["items"][0]["metadata"]["uid"] == made["metadata"]["uid"]
        old = await client.get(
            SECRETS,
            params={
                "resourceVersion": made["metadata"]["resourceVersion"],
                "resourceVersionMatch": "Exact",
            },
        )
        assert "more" not in old.json()["items"][0]["data"], "the past is opened, too"
        value = stored(etcd, secret_key("a"))
        assert value.startswith(f"k8s:enc:{kind}:v1:key1:".encode())
        assert base64.b64encode(VALUE.encode()) not in value
        plain = await client.post(
            "/api/v1/namespaces/default/configmaps", json={"metadata": {"name": "c"}}
        )
        assert plain.status_code == 201
        assert stored(etcd, "/registry/configmaps/default/c").startswith(b'{"kind":"ConfigMap"')
        assert (await client.delete(f"{SECRETS}/a")).status_code == 200
        assert stored(etcd, secret_key("a")) == b""


async def test_keys_are_rotated_by_updates_that_change_nothing(
    make_apiserver: Callable[..., ApiServer], etcd: Etcd, tmp_path: Path
) -> None:
    path = tmp_path / "encryption.yaml"
    plain = make_apiserver()
    async with plain.client() as client:
        await make(client, "old")
    plain.stop()

    server = make_apiserver(
        f"--encryption-provider-config={write(path, provider('aescbc', 1), IDENTITY)}",
        "--encryption-provider-config-automatic-reload=true",
    )
    async with server.client() as client:
        same = (await client.get(f"{SECRETS}/old")).json()
        assert stored(etcd, secret_key("old")).startswith(b'{"kind":"Secret"')
        written = await client.put(f"{SECRETS}/old", json=same)
        assert written.json()["metadata"]["resourceVersion"] != same["metadata"]["resourceVersion"]
        assert stored(etcd, secret_key("old")).startswith(b"k8s:enc:aescbc:v1:key1:")
        again = await client.put(f"{SECRETS}/old", json=written.json())
        assert again.json() == written.json(), "what is sealed as it should be is not written"

        write(path, provider("aesgcm", 2), provider("aescbc", 1), IDENTITY)

        async def rewritten() -> bool:
            now = (await client.get(f"{SECRETS}/old")).json()
            await client.put(f"{SECRETS}/old", json=now)
            return stored(etcd, secret_key("old")).startswith(b"k8s:enc:aesgcm:v1:key2:")

        await until(rewritten)
        path.write_text("nonsense: [")
        await until(lambda: _in_log(server, "--encryption-provider-config stay as they were"))
        await make(client, "new")
    assert stored(etcd, secret_key("new")).startswith(b"k8s:enc:aesgcm:v1:key2:")


async def _in_log(server: ApiServer, words: str) -> bool:
    return words in server.log


async def test_a_lost_key_is_named_and_nothing_seems_gone(
    make_apiserver: Callable[..., ApiServer], etcd: Etcd, tmp_path: Path
) -> None:
    path = tmp_path / "encryption.yaml"
    first = make_apiserver(f"--encryption-provider-config={write(path, provider('aesgcm', 1))}")
    async with first.client() as client:
        await make(client, "lost")
    first.stop()

    write(path, provider("aesgcm", 2), IDENTITY)
    server = make_apiserver(
        f"--encryption-provider-config={path}",
        "--encryption-provider-config-automatic-reload",
    )
    words = f'unable to transform key "{secret_key("lost")}"'
    async with server.client() as client:
        await make(client, "other")
        for answer in (
            await client.get(f"{SECRETS}/lost"),
            await client.get(SECRETS),
            await client.get("/api/v1/secrets"),
            await client.delete(f"{SECRETS}/lost"),
            await client.delete(SECRETS),
            await client.get(SECRETS, params={"watch": "1"}),
        ):
            assert answer.status_code == 500, answer.text
            assert answer.json()["reason"] == "InternalError"
            assert words in answer.json()["message"]
        assert stored(etcd, secret_key("lost"))
        again = await client.post(SECRETS, json={"metadata": {"name": "lost"}})
        assert again.json()["reason"] == "AlreadyExists"
        # All others are served: by name, in other namespaces, of other kinds.
        assert (await client.get(f"{SECRETS}/other")).status_code == 200
        named = await client.get(SECRETS, params={"fieldSelector": "metadata.name=other"})
        assert [one["metadata"]["name"] for one in named.json()["items"]] == ["other"]
        elsewhere = await client.get("/api/v1/namespaces/kube-system/secrets")
        assert elsewhere.status_code == 200
        assert words in server.log.replace("'", '"')

        write(path, provider("aesgcm", 2), provider("aesgcm", 1), IDENTITY)

        async def back() -> bool:
            # A write moves the watch that the new configuration is waiting on.
            await client.post(SECRETS, json={"metadata": {"generateName": "x-"}})
            return (await client.get(f"{SECRETS}/lost")).status_code == 200

        await until(back)
        assert (await client.get(SECRETS)).status_code == 200


async def test_without_a_configuration_sealed_secrets_are_not_gone(
    make_apiserver: Callable[..., ApiServer], tmp_path: Path
) -> None:
    path = write(tmp_path / "encryption.yaml", provider("aesgcm", 1))
    first = make_apiserver(f"--encryption-provider-config={path}")
    async with first.client() as client:
        await make(client, "a")
    first.stop()
    server = make_apiserver()
    async with server.client() as client:
        answer = await client.get(f"{SECRETS}/a")
        assert answer.status_code == 500
        assert "identity transformer tried to read encrypted data" in answer.json()["message"]


async def test_a_wrong_configuration_is_refused_and_shows_no_key(tmp_path: Path) -> None:
    path = tmp_path / "encryption.yaml"
    secret = base64.b64encode(b"too short, but a secret").decode()
    write(path, {"aesgcm": {"keys": [{"name": "key1", "secret": secret}]}})
    said = await refusal(tmp_path, f"--encryption-provider-config={path}")
    assert "--encryption-provider-config: resources[0].providers[0].aesgcm" in said
    assert "REDACTED" in said
    assert secret not in said


async def test_reencrypt_writes_all_that_is_outdated_and_nothing_else(
    make_apiserver: Callable[..., ApiServer], etcd: Etcd, tmp_path: Path
) -> None:
    many = 230  # more than a page
    plain = make_apiserver()
    async with plain.client() as client:
        for number in range(many):
            await make(client, f"s{number}")
    plain.stop()
    config = write(tmp_path / "encryption.yaml", provider("aesgcm", 1), IDENTITY)
    server = make_apiserver(f"--encryption-provider-config={config}")
    async with server.client() as client:
        await make(client, "sealed-already")
        before = (await client.get(f"{SECRETS}/sealed-already")).json()
        metrics = (await client.get("/metrics")).text
        assert f"wherry_storage_outdated_objects {many}.0" in metrics

    def reencrypt() -> str:
        command = [
            sys.executable, "-m", "cli.main", "secrets", "reencrypt",
            f"--kubeconfig={server.kubeconfig}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    told = await asyncio.to_thread(reencrypt)
    assert told == f"secrets: {many + 1} seen, {many} written anew\n"
    for number in (0, 120, many - 1):
        assert stored(etcd, secret_key(f"s{number}")).startswith(b"k8s:enc:aesgcm:")
    async with server.client() as client:
        assert (await client.get(f"{SECRETS}/sealed-already")).json() == before
    assert await asyncio.to_thread(reencrypt) == f"secrets: {many + 1} seen, 0 written anew\n"
