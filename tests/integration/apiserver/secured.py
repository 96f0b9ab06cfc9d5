"""One server with everything on: Node and RBAC, client certificates, front proxies, bootstrap tokens."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.apiserver.pki import Authority, context
from tests.integration.conftest import ApiServer, Etcd, running_apiserver, running_etcd

ISSUER = "https://kubernetes.default.svc"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
WHO_BODY = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
SECRET_TEXT = "dont-tell-anybody"  # what must not come out
WAIT_SECONDS = 60.0


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
        return httpx.AsyncClient(base_url=self.server.url, verify=tls, headers=headers, timeout=60)


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
