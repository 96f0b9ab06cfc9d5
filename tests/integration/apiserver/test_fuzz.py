"""Whatever is sent, the server answers sensibly, stays up, and keeps whole objects only.

WHERRY_FUZZ_SEED repeats a run, WHERRY_FUZZ_SECONDS makes it longer (`make soak`).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from tests.integration.apiserver import grown
from tests.integration.apiserver.fuzz_words import NAMESPACES, YAML
from tests.integration.apiserver.fuzzing import Ask, Fuzzer
from tests.integration.conftest import TOKEN
from wherry.api.scheme import RESOURCES, Resource

SEED = int(os.environ.get("WHERRY_FUZZ_SEED") or random.SystemRandom().getrandbits(32))
SECONDS = float(os.environ.get("WHERRY_FUZZ_SECONDS") or 60) / 2  # of each of the two long tests
WORKERS = 4
READ_SECONDS = 3.0  # of one answer that goes on: a watch, or a way to a kubelet
WHOLE_SECONDS_MAX = 60.0  # of any other
FAILURES_SHOWN = 10
LOOKS_MAX = 5  # at a kind whose objects the server may be writing
TRACE_LINES = 14  # of the server's tracebacks
# Ways to a kubelet or a pod: without any, upstream too says 500, 502 or 503.
FORWARDED = ("/log", "/exec", "/attach", "/portforward", "/proxy")
# Upstream says 500 here.
MEANT = "resourceVersion should not be set on objects to be created"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
MIB = 1024 * 1024


async def answer_of(client: httpx.AsyncClient, ask: Ask) -> tuple[int, bytes]:
    """Status and (the beginning of) the body."""
    url = httpx.URL(client.base_url).copy_with(raw_path=ask.path.encode("ascii", "replace"))
    body, plain = b"", ask.path.partition("?")[0]
    endless = "watch" in ask.path or plain.endswith(FORWARDED)
    async with client.stream(
        ask.method, url, headers=dict(ask.headers), content=ask.body
    ) as answer:
        try:
            async with asyncio.timeout(READ_SECONDS if endless else WHOLE_SECONDS_MAX):
                async for chunk in answer.aiter_raw():
                    body += chunk
        except TimeoutError:
            assert endless, ask
        return answer.status_code, body


def wrong(ask: Ask, status: int, body: bytes) -> str | None:
    """What an answer must not be."""
    if status == 500 and MEANT.encode() in body:
        return None
    if status >= 500 and status != 504:  # 504: a resourceVersion that is yet to come
        if ask.path.partition("?")[0].endswith(FORWARDED):
            return None
        return f"{status} {body[:500]!r}"
    if status >= 400 and ask.method != "HEAD" and ask.path.startswith("/api"):
        read: Any = json.loads
        if dict(ask.headers).get("Accept") == YAML:
            read = yaml.safe_load
        try:
            tree = read(body)
        except (ValueError, yaml.YAMLError) as error:
            return f"{status} cannot be read ({error}): {body[:200]!r}"
        if tree.get("kind") != "Status" or tree.get("code") != status:
            return f"{status} is no Status: {body[:200]!r}"
    return None


async def make_namespaces(client: httpx.AsyncClient) -> None:
    for name in (*NAMESPACES, "unloved"):
        body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        answer = await client.post("/api/v1/namespaces", json=body)
        assert answer.status_code == 201, answer.text
        account: dict[str, Any] = {"kind": "ServiceAccount", "apiVersion": "v1"}
        account["metadata"] = {"name": "default"}
        made = await client.post(f"/api/v1/namespaces/{name}/serviceaccounts", json=account)
        assert made.status_code == 201, made.text


@pytest.mark.timeout(SECONDS + 240)
async def test_random_requests(apiserver: Any) -> None:
    print(f"WHERRY_FUZZ_SEED={SEED}")
    until = time.monotonic() + SECONDS
    counted = itertools.count()
    codes: dict[int, int] = {}
    failures: list[str] = []
    async with apiserver.client() as client:
        await make_namespaces(client)

        async def work(number: int) -> None:
            fuzzer = Fuzzer(random.Random(SEED + number))
            while time.monotonic() < until and len(failures) < FAILURES_SHOWN:
                ask = fuzzer.ask()
                next(counted)
                try:
                    status, body = await answer_of(client, ask)
                except httpx.HTTPError as error:
                    failures.append(f"{ask}\n   {error!r}")
                    continue
                codes[status] = codes.get(status, 0) + 1
                fuzzer.learn(ask, status, body)
                found = wrong(ask, status, body)
                if found is not None:
                    failures.append(f"{ask}\n   {found}")

        async with asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                group.create_task(work(number))
        print(f"{next(counted)} requests:", dict(sorted(codes.items())))
        failures += tracebacks(apiserver.log)
        assert not failures, f"WHERRY_FUZZ_SEED={SEED}\n" + "\n".join(failures)
        assert apiserver.process.poll() is None
        await check_whole(client)
    assert not tracebacks(apiserver.log)


@pytest.mark.timeout(SECONDS + 360)
async def test_requests_grown_from_the_document(apiserver: Any, tmp_path: Path) -> None:
    print(f"WHERRY_FUZZ_SEED={SEED}")
    document = tmp_path / "openapi.json"
    async with apiserver.client() as client:
        await make_namespaces(client)
        document.write_text(json.dumps(await grown.joined_document(client, SEED)))
        found = await grown.run(apiserver.url, apiserver.ca_file, TOKEN, document, SEED, SECONDS)
        assert not found, f"WHERRY_FUZZ_SEED={SEED}\n{found}"
        assert not tracebacks(apiserver.log), tracebacks(apiserver.log)
        assert apiserver.process.poll() is None
        await check_whole(client)


def tracebacks(log: str) -> list[str]:
    """One of each kind that the server logged."""
    found: dict[str, str] = {}
    for part in log.split("Traceback (most recent call last):")[1:]:
        lines = part.splitlines()
        inner = [line for line in lines if line.startswith("    ")]
        places = [line for line in inner if 'File "' in line]
        found[places[-1] if places else part[:200]] = "\n".join(inner[-TRACE_LINES:])
    return list(found.values())


async def check_whole(client: httpx.AsyncClient) -> None:
    """Every stored object can be read, and put back as it is: nothing half-written was kept.

    The server itself goes on writing some of them (its Lease, quotas): those are looked at again.
    """
    failures: list[str] = []
    for resource in RESOURCES:
        if not resource.stored:
            continue
        for _ in range(LOOKS_MAX):
            found = await wrong_in(client, resource)
            if not found:
                break
        failures += found
    assert not failures, f"WHERRY_FUZZ_SEED={SEED}\n" + "\n".join(failures[:FAILURES_SHOWN])


async def wrong_in(client: httpx.AsyncClient, resource: Resource) -> list[str]:
    """What is wrong with one kind's objects."""
    listed = await client.get(resource.path(""))
    assert listed.status_code == 200, listed.text
    items = listed.json()["items"]
    failures = []
    if (watched := await watch_of(client, resource)) != items:
        failures.append(f"{resource.plural} are listed as {items}, watched as {watched}")
    for item in items:
        metadata = item["metadata"]
        name = quote(metadata["name"], safe="")  # a role's may hold nearly anything
        path = resource.path(metadata.get("namespace", ""), name)
        found = await put_back(client, resource, path, item)
        if found is not None:
            failures.append(found)
    return failures


async def watch_of(client: httpx.AsyncClient, resource: Resource) -> list[dict[str, Any]]:
    """What a watch that begins with everything delivers, as items of a list in its order."""
    query = {
        "watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true", "timeoutSeconds": "60",
    }  # fmt: skip
    found = []
    async with client.stream("GET", resource.path(""), params=query) as answer:
        async for line in answer.aiter_lines():
            event = json.loads(line)
            if event["type"] == "BOOKMARK":
                break
            assert event["type"] == "ADDED", event
            found.append(
                {k: v for k, v in event["object"].items() if k not in ("kind", "apiVersion")}
            )
    return found


async def put_back(
    client: httpx.AsyncClient, resource: Resource, path: str, item: dict[str, Any]
) -> str | None:
    got = (await client.get(path)).json()
    if {**item, "kind": resource.kind, "apiVersion": resource.api_version} != got:
        return f"{path} is listed as {item}, got as {got}"
    if "update" not in resource.verbs:
        return None
    answer = await client.put(path, json=got, params={"fieldValidation": "Strict"})
    if answer.status_code != 200:
        return f"{path} can't be put back: {answer.text}\n   {got}"
    return None


def lease(holder: str) -> bytes:
    tree = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}}
    return json.dumps({**tree, "spec": {"holderIdentity": holder}}).encode()


def config_map(data: str = "") -> bytes:
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": data}}
    return json.dumps(tree).encode()


BAD: dict[str, tuple[int, str, str, str, bytes]] = {
    "more than 3 MiB": (413, "POST", CONFIG_MAPS, "application/json", config_map("x" * 3 * MIB)),
    "a patch of more than 3 MiB": (
        413, "PATCH", f"{CONFIG_MAPS}/x", "application/merge-patch+json", config_map("x" * 3 * MIB),
    ),
    "more than etcd takes": (413, "POST", LEASES, "application/json", lease("x" * 2 * MIB)),
    "truncated": (400, "POST", CONFIG_MAPS, "application/json", config_map()[:-5]),
    "empty": (400, "POST", CONFIG_MAPS, "application/json", b""),
    "deep": (400, "POST", CONFIG_MAPS, "application/json", b'{"a":' * 100_000 + b"}" * 100_000),
    "deep arrays": (400, "POST", CONFIG_MAPS, "application/json", b"[" * 1_000_000),
    "deep YAML": (400, "POST", CONFIG_MAPS, "application/yaml", b"[" * 100_000),
    "YAML that grows": (
        400, "POST", CONFIG_MAPS, "application/yaml",
        b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [%s]\n" % (i, i, b"*a%d," % (i - 1) * 9) for i in range(1, 10)),
    ),
    "a huge number": (400, "POST", CONFIG_MAPS, "application/json", b'{"immutable": 1e999999}'),
    "a long number": (400, "POST", CONFIG_MAPS, "application/json", b'{"immutable": ' + b"9" * 10_000 + b"}"),
    "invalid UTF-8": (400, "POST", CONFIG_MAPS, "application/json", config_map("a").replace(b'"a"', b'"\xc3\x28"')),
    "protobuf garbage": (400, "POST", CONFIG_MAPS, "application/vnd.kubernetes.protobuf", b"k8s\x00\xff\xff"),
    "unknown content type": (415, "POST", CONFIG_MAPS, "text/plain", config_map()),
    "unknown patch type": (415, "PATCH", f"{CONFIG_MAPS}/x", "application/json", b"{}"),
    "no such resource": (404, "GET", "/api/v1/nonsense", "", b""),
    "no such group": (404, "GET", "/apis/nonsense/v1/pods", "", b""),
    "no such version": (404, "GET", "/api/v2/pods", "", b""),
    "no such subresource": (404, "GET", f"{CONFIG_MAPS}/x/nonsense", "", b""),
    "a verb that is not there": (405, "PUT", CONFIG_MAPS, "application/json", config_map()),
    "a verb nobody has": (405, "TRACE", CONFIG_MAPS, "", b""),
    "a bad limit": (400, "GET", f"{CONFIG_MAPS}?limit=x", "", b""),
    "a bad continue token": (400, "GET", f"{CONFIG_MAPS}?continue=x", "", b""),
    "a bad selector": (400, "GET", f"{CONFIG_MAPS}?labelSelector=((", "", b""),
    "a bad dry run": (422, "POST", f"{CONFIG_MAPS}?dryRun=x", "application/json", config_map()),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_bad_input(shared_apiserver: Any, name: str) -> None:
    code, method, path, content_type, body = BAD[name]
    headers = {"Content-Type": content_type} if content_type else {}
    async with shared_apiserver.client() as client:
        answer = await client.request(method, path, headers=headers, content=body or None)
        assert answer.status_code == code, answer.text[:500]
        assert answer.json()["code"] == code
        assert (await client.get(f"{CONFIG_MAPS}/x")).status_code == 404


async def test_random_bytes_on_the_wire(shared_apiserver: Any) -> None:
    rng = random.Random(SEED)
    print(f"WHERRY_FUZZ_SEED={SEED}")
    heads = (
        b"", b"GET ", b"GET / HTTP/1.1\r\n", b"GET /api HTTP/9.9\r\n\r\n",
        b"POST " + CONFIG_MAPS.encode() + b" HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST " + CONFIG_MAPS.encode() + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /api/v1/\xff HTTP/1.1\r\n\r\n",
    )  # fmt: skip
    context = ssl.create_default_context(cafile=str(shared_apiserver.ca_file))
    for _ in range(60):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", shared_apiserver.port, ssl=context, server_hostname="localhost"
        )
        writer.write(rng.choice(heads) + rng.randbytes(rng.randrange(300)) + b"\r\n\r\n")
        writer.write_eof() if writer.can_write_eof() else None
        try:
            async with asyncio.timeout(0.2):
                await reader.read(1000)
        except (TimeoutError, ConnectionError):
            pass  # it waits for more, or hung up
        writer.transport.abort()
    assert shared_apiserver.answers("/readyz")
    assert "Traceback" not in shared_apiserver.log, shared_apiserver.log[-4000:]
