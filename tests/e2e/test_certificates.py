"""A lab whose certificates live for half a minute: it works on through several of their lives.

Also through new authorities and a new key of tokens, with nothing restarted but etcd, which reads its
trusted authorities only once.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest

from deploy import certs, keeper, lab
from deploy.image import busybox_archive
from deploy.inventory import Inventory, Lifetimes
from tests.e2e.support import IMAGE, Cluster, wait
from wherry.api.core_v1 import ConfigMap
from wherry.api.errors import ApiError
from wherry.client.kubeconfig import load
from wherry.client.rest import ApiUnavailable, Client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

LIVES = Lifetimes(certificate=40, settle=12, check=2, token=12)
# Words of a daemon whose certificate, or whose trust, came too late.
TLS_TROUBLE = re.compile(r"CERTIFICATE_VERIFY|certificate (has expired|verify)|Unauthorized|\b401\b|unknown ca", re.I)  # fmt: skip
# etcd is started anew when its authorities change; the API server may stand still meanwhile.
SILENCE_SECONDS_MAX = 15.0


@pytest.fixture
def short() -> Iterator[Cluster]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    directory = Path(tempfile.mkdtemp(prefix="wcrt"))
    archive = directory.with_suffix(".tar")
    archive.write_bytes(busybox_archive(IMAGE))
    try:
        lab.up(directory, 1, lambda text: None, 120.0, LIVES)
        lab.load(directory, archive, lambda text: None)
        yield Cluster(directory)
    finally:
        lab.down(directory)
        archive.unlink()


async def use(cluster: Cluster, until: asyncio.Event) -> tuple[int, float, list[str]]:
    """Write again and again with files that are exchanged; requests, longest silence, refusals."""
    inventory = Inventory.read(cluster.directory / "pki" / "inventory.json")
    admin, ca = inventory.certificate("admin"), inventory.authority("ca")
    config = replace(
        load(cluster.kubeconfig), ca_file=str(ca.bundle), ca_data=b"",
        cert_file=str(admin.certificate), cert_data=b"", key_file=str(admin.key), key_data=b"",
    )  # fmt: skip
    requests, silence, answered = 0, 0.0, time.monotonic()
    refusals: list[str] = []
    async with Client(config, timeout=10.0) as client:
        while not until.is_set():
            try:
                await client.patch(
                    ConfigMap, "beat", "default", {"data": {"n": str(requests)}}, type="merge"
                )
                requests += 1
            except ApiUnavailable as error:
                if TLS_TROUBLE.search(str(error)):
                    refusals.append(str(error))
            except ApiError as error:
                if error.code == 401:
                    refusals.append(error.message)
                await asyncio.sleep(0.1)
                continue
            silence = max(silence, time.monotonic() - answered)
            answered = time.monotonic()
            await asyncio.sleep(0.05)
    return requests, silence, refusals


def pids(cluster: Cluster) -> dict[str, int]:
    state = json.loads((cluster.directory / "state.json").read_text())
    return {name: one["pid"] for name, one in state["daemons"].items() if name != "etcd"}


def replace_authorities(cluster: Cluster) -> None:
    """Ask for new authorities, and wait until the old ones are trusted no longer."""
    inventory = Inventory.read(cluster.directory / "pki" / "inventory.json")
    before = {one.name: one.bundle.read_bytes() for one in inventory.authorities}
    certs.renew(inventory, [], datetime.now(UTC), lambda text: None, authorities=True)

    def replaced() -> bool:
        held = keeper.signers(inventory)
        bundles = {one.name: one.bundle.read_bytes() for one in inventory.authorities}
        return all(
            held[name].phase.value == "steady" and before[name] not in bundles[name]
            for name in before
        )

    wait(replaced, "new authorities", 90.0, every=0.5)


def replace_key_of_tokens(cluster: Cluster) -> Callable[[], None]:
    """Ask for a new key of service-account tokens; what waits until the old one is believed no longer."""
    inventory = Inventory.read(cluster.directory / "pki" / "inventory.json")
    public = inventory.signer("sa").stem + ".pub"
    before, old = Path(public).read_text(), cluster.kubectl("create", "token", "default")
    assert who(cluster, old) == "system:serviceaccount:default:default"
    certs.renew(inventory, ["sa"], datetime.now(UTC), lambda text: None)

    def wait_for_the_end() -> None:
        wait(lambda: before not in Path(public).read_text(), "a new key", 90.0, every=0.5)
        new = cluster.kubectl("create", "token", "default")
        assert who(cluster, new) == "system:serviceaccount:default:default"
        wait(lambda: who(cluster, old) == "", "the old key's tokens refused", 20.0)
        (key,) = json.loads(cluster.kubectl("get", "--raw", "/openid/v1/jwks"))["keys"]
        assert key["kid"] == jwt.get_unverified_header(new.strip())["kid"]

    return wait_for_the_end


def who(cluster: Cluster, token: str) -> str:
    """Whom a token stands for; "" when it is not believed."""
    spec = {"spec": {"token": token.strip()}}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", **spec}
    answer = cluster.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(review))
    name: str = json.loads(answer)["status"].get("user", {}).get("username", "")
    return name


def works(cluster: Cluster, name: str) -> None:
    """Scheduler, kubelet, controllers and the streams to the kubelet."""
    cluster.kubectl("create", "deployment", name, f"--image={IMAGE}", "--", "sleep", "1000")
    cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    pod = cluster.kubectl("get", "pod", "-l", f"app={name}", "-o", "name").strip()
    assert cluster.kubectl("exec", pod, "--", "echo", "hello") == "hello\n"
    cluster.kubectl("delete", "deployment", name)


def test_life_goes_on_through_new_certificates_and_authorities(short: Cluster) -> None:
    short.kubectl("create", "configmap", "beat")
    started = pids(short)
    inventory = Inventory.read(short.directory / "pki" / "inventory.json")
    leaf = inventory.certificate("scheduler")
    first = leaf.certificate.read_bytes()
    began = time.monotonic()

    async def through() -> tuple[int, float, list[str]]:
        enough = asyncio.Event()
        using = asyncio.create_task(use(short, enough))
        await asyncio.to_thread(works, short, "before")
        replaced = await asyncio.to_thread(replace_key_of_tokens, short)
        await asyncio.to_thread(replace_authorities, short)
        await asyncio.to_thread(replaced)
        await asyncio.to_thread(works, short, "after")
        while time.monotonic() - began < 2.1 * LIVES.certificate:
            await asyncio.sleep(1.0)
        await asyncio.to_thread(works, short, "end")
        enough.set()
        return await using

    requests, silence, refusals = asyncio.run(through())
    print(f"{requests} requests, longest silence {silence:.1f} s")
    assert refusals == []
    assert requests > 100
    assert silence < SILENCE_SECONDS_MAX
    assert leaf.certificate.read_bytes() != first
    assert pids(short) == started
    for log in short.directory.glob("*/logs/*.log"):
        if log.name not in ("dockerd.log", "supervisor.log", "etcd.log"):
            lines = [line for line in log.read_text().splitlines() if TLS_TROUBLE.search(line)]
            assert lines == [], log.name
    (trusted,) = json.loads(short.kubectl("get", "cm", "kube-root-ca.crt", "-o", "json"))[
        "data"
    ].values()
    assert trusted == inventory.authority("ca").bundle.read_text()
    context = ssl.create_default_context(cafile=str(inventory.authority("ca").bundle))
    assert context.cert_store_stats()["x509_ca"] == 1
