"""A node joins with a bootstrap token, renews what it got, and its server takes new ones up.

A real API server with RBAC and a real controller manager; the kubelet's certificate part runs here
under a clock that can be set ahead.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.pki import ensure_authority, ensure_certificate
from kubelet.certificates.bootstrap import client_kind, ensure_kubeconfig, identity
from kubelet.certificates.child import Wanted, describe
from kubelet.certificates.rotation import Rotation
from kubelet.certificates.serving import ServingCertificate, serving_kind
from kubelet.certificates.trust import TrustFollower
from tests.integration.conftest import ApiServer, running_apiserver, running_etcd
from tests.integration.controller_manager.conftest import Manager, until
from wherry.api.authentication_v1 import SelfSubjectReview
from wherry.api.core_v1 import ConfigMap, Node
from wherry.api.errors import ApiError
from wherry.client.kubeconfig import load
from wherry.client.rest import Client
from wherry.daemon.certificate import self_signed_context
from wherry.daemon.clock import Clock

RBAC = "rbac.authorization.k8s.io"
SIGNING = "system:certificates.k8s.io:certificatesigningrequests"
TOKEN = "abcdef.0123456789abcdef"


class AheadClock:
    """The machine's time and a bit; whoever sleeps is woken soon."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.1))


@dataclass
class Site:
    server: ApiServer
    pki: Path


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name, running_etcd() as etcd:
        folder = Path(name)
        authority = ensure_authority(folder)
        serving = ensure_certificate(
            authority, folder, "apiserver", "kube-apiserver", (), ("localhost", "127.0.0.1")
        )
        flags = (
            "--authorization-mode=Node,RBAC", "--enable-bootstrap-token-auth",
            f"--client-ca-file={authority.path}", f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
        )  # fmt: skip
        with running_apiserver(etcd, *flags) as server:
            kubeconfig = yaml.safe_load(server.kubeconfig.read_text())
            kubeconfig["clusters"][0]["cluster"]["certificate-authority"] = str(authority.path)
            server.kubeconfig.write_text(yaml.safe_dump(kubeconfig))
            manager = Manager(
                server, folder, "--leader-elect=false",
                f"--cluster-signing-cert-file={authority.path}",
                f"--cluster-signing-key-file={folder}/ca.key", "--cluster-signing-duration=24h",
            )  # fmt: skip
            try:
                yield Site(server, folder)
            finally:
                manager.stop()


async def allow(admin: Client, name: str, role: str, group: str) -> None:
    tree = {
        "apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group}],
    }  # fmt: skip
    with contextlib.suppress(ApiError):  # made by another test
        await admin.request("POST", f"/apis/{RBAC}/v1/clusterrolebindings", body=tree)


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with Client(load(site.server.kubeconfig)) as client:
        await allow(client, "b1", "system:node-bootstrapper", "system:bootstrappers")
        await allow(client, "b2", f"{SIGNING}:nodeclient", "system:bootstrappers")
        await allow(client, "b3", f"{SIGNING}:selfnodeclient", "system:nodes")
        identifier, _, secret = TOKEN.partition(".")
        data = {
            "token-id": identifier, "token-secret": secret, "usage-bootstrap-authentication": "true",
        }  # fmt: skip
        token = {
            "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
            "metadata": {"name": f"bootstrap-token-{identifier}", "namespace": "kube-system"},
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
        }  # fmt: skip
        with contextlib.suppress(ApiError):
            await client.request("POST", "/api/v1/namespaces/kube-system/secrets", body=token)
        yield client


def bootstrap_file(site: Site, folder: Path) -> Path:
    path = folder / "bootstrap.kubeconfig"
    ca = base64.b64encode((site.pki / "ca.crt").read_bytes()).decode()
    cluster = {"server": site.server.url, "certificate-authority-data": ca}
    tree = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": {"token": TOKEN}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(tree))
    return path


@contextlib.asynccontextmanager
async def running(rotation: Rotation) -> AsyncIterator[None]:
    task = asyncio.create_task(rotation.run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def joined(site: Site, folder: Path, name: str, clock: Clock) -> Path:
    path = folder / "kubelet.kubeconfig"
    async with asyncio.timeout(30):
        await ensure_kubeconfig(path, bootstrap_file(site, folder), folder / "pki", name, clock)
    return path


async def whoami(client: Client) -> Any:
    return (await client.create(SelfSubjectReview())).status.user_info


async def test_a_token_becomes_a_nodes_certificate_that_renews_itself(
    site: Site, admin: Client, tmp_path: Path
) -> None:
    clock = AheadClock()
    path = await joined(site, tmp_path, "j1", clock)
    config = load(path)
    kind = client_kind(tmp_path / "pki", "j1", Path(config.ca_file))
    async with Client(config) as client:
        me = await whoami(client)
        assert me.username == "system:node:j1"
        assert "system:nodes" in me.groups
        first = kind.file.read()
        again = await joined(site, tmp_path, "j1", clock)  # a restart asks for nothing
        assert again == path
        assert kind.file.read() == first

        async with running(Rotation(client, kind, clock)):
            await asyncio.sleep(0.5)
            assert kind.file.read() == first
            clock.ahead = timedelta(hours=22)

            async def renewed() -> bool:
                return kind.file.read() != first

            await until(renewed)
            clock.ahead = timedelta()
        held = await describe(kind.file.read())
        assert held is not None
        assert held.key_fits
        # The client takes the new file up, within a second, by new connections.
        assert (await whoami(client)).username == "system:node:j1"
        assert kind.file.path.stat().st_mode & 0o777 == 0o600


async def test_an_expired_certificate_is_asked_for_anew_with_the_token(
    site: Site, admin: Client, tmp_path: Path
) -> None:
    clock = AheadClock()
    await joined(site, tmp_path, "j2", clock)
    file = client_kind(tmp_path / "pki", "j2").file
    first = file.read()
    clock.ahead = timedelta(hours=25)

    async def again() -> None:
        # What is issued is valid for the real clock only: one round shows that it asks.
        await ensure_kubeconfig(
            tmp_path / "kubelet.kubeconfig", tmp_path / "bootstrap.kubeconfig", tmp_path / "pki",
            "j2", clock,
        )  # fmt: skip

    async with asyncio.timeout(30):
        await again()
    assert file.read() != first


async def test_the_serving_certificate_comes_and_is_taken_up(
    site: Site, admin: Client, tmp_path: Path
) -> None:
    clock = AheadClock()
    config = load(await joined(site, tmp_path, "j3", clock))
    address = "10.77.0.3"
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    tree = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "j3"}, "status": status}
    await admin.create(Node.from_wire(tree))
    node = identity("j3")
    wanted = Wanted(node.common_name, node.organizations, ("j3", address))
    kind = serving_kind(tmp_path / "pki", lambda: wanted, Path(config.ca_file))
    serving = ServingCertificate(kind, site.pki / "ca.crt", await self_signed_context(["j3"]))
    server = await asyncio.start_server(
        lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=serving.context
    )
    port = server.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cafile=str(site.pki / "ca.crt"))

    async def shown() -> bytes | None:
        """The certificate, when it is trusted for this node's address."""
        try:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trusting, server_hostname=address
            )
        except ssl.SSLError:
            return None
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return bytes(der)

    async with server, Client(config) as client:
        assert await shown() is None  # its own make, until there is another
        async with running(Rotation(client, kind, clock, serving.take)):
            first = await until(shown)
            clock.ahead = timedelta(hours=22)

            async def another() -> bool:
                return await shown() not in (None, first)

            await until(another)


async def test_a_node_follows_the_authorities_that_are_published(
    site: Site, admin: Client, tmp_path: Path
) -> None:
    mine = tmp_path / "ca.crt"
    mine.write_bytes((site.pki / "ca.crt").read_bytes())
    both = mine.read_bytes() + ensure_authority(tmp_path / "next").path.read_bytes()
    follower = TrustFollower(admin, mine, AheadClock())
    await follower.look()  # nothing is published
    before = mine.read_bytes()

    async def publish(text: str) -> None:
        meta = {"name": "cluster-info", "namespace": "kube-public"}
        made = ConfigMap.from_wire({"metadata": meta, "data": {"kubeconfig": text}})
        with contextlib.suppress(ApiError):
            await admin.delete(ConfigMap, "cluster-info", "kube-public")
        await admin.create(made)

    def kubeconfig(ca: bytes) -> str:
        cluster = {
            "server": "https://x",
            "certificate-authority-data": base64.b64encode(ca).decode(),
        }
        return str(yaml.safe_dump({"clusters": [{"name": "", "cluster": cluster}]}))

    for bad in ("", "]", "clusters: []", kubeconfig(b""), kubeconfig(b"not PEM")):
        await publish(bad)
        await follower.look()
        assert mine.read_bytes() == before, bad
    await publish(kubeconfig(both))
    await follower.look()
    assert mine.read_bytes() == both
