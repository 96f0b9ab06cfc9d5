"""How API servers are run: TLS towards etcd, new certificates, several at once, lifetimes."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy import pki
from tests.integration.conftest import Etcd, free_port, running_apiserver
from wherry.api.model import format_micro_time

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
EVENTS = "/api/v1/namespaces/default/events"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
ENDPOINTS = "/api/v1/namespaces/default/endpoints/kubernetes"
METRICS = Path(__file__).parents[3].parent / "shared" / "upstream" / "metrics-apiserver.txt"
# Upstream has these too; its recorded server had not yet had a reason to show them.
# Upstream has these too, but the server that was looked at had nothing to say under them yet.
NOT_SEEN_UPSTREAM = {
    "apiserver_registered_watchers", "apiserver_terminated_watchers_total",
    "etcd_request_errors_total",
    "apiserver_flowcontrol_current_inqueue_requests", "apiserver_flowcontrol_current_inqueue_seats",
    "apiserver_flowcontrol_rejected_requests_total",
    "apiserver_flowcontrol_request_wait_duration_seconds",
}  # fmt: skip
HERE = ["127.0.0.1", "localhost"]


def config_map(name: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}


async def addresses(client: httpx.AsyncClient) -> list[str]:
    tree = (await client.get(ENDPOINTS)).json()
    return [one["ip"] for subset in tree.get("subsets", []) for one in subset["addresses"]]


class TlsEtcd(Etcd):
    """Asks for client certificates."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def _healthy(self) -> bool:
        files = self.directory
        context = ssl.create_default_context(cafile=str(files / "ca.crt"))
        context.load_cert_chain(files / "client.crt", files / "client.key")
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1, context=context) as answer:
                return b"true" in answer.read()
        except OSError:
            return False


async def test_etcd_with_tls_and_several_endpoints(tmp_path: Path) -> None:
    authority = pki.ensure_authority(tmp_path)
    server = pki.ensure_certificate(authority, tmp_path, "server", "etcd", (), HERE)
    client_pair = pki.ensure_certificate(authority, tmp_path, "client", "apiserver")
    flags = (
        f"--cert-file={server.certificate}", f"--key-file={server.key}",
        f"--trusted-ca-file={authority.path}", "--client-cert-auth",
    )  # fmt: skip
    etcd = TlsEtcd(tmp_path, free_port(), free_port(), flags=flags)
    etcd.start()
    try:
        nobody = f"https://127.0.0.1:{free_port()}"
        trust = [
            f"--etcd-servers={nobody}", f"--etcd-cafile={authority.path}",
            f"--etcd-certfile={client_pair.certificate}", f"--etcd-keyfile={client_pair.key}",
        ]  # fmt: skip
        with running_apiserver(etcd, *trust) as apiserver:
            async with apiserver.client() as client:
                assert (await client.post(CONFIG_MAPS, json=config_map("a"))).status_code == 201
                assert (await client.get(f"{CONFIG_MAPS}/a")).status_code == 200
    finally:
        etcd.kill()


def shown_certificate(port: int) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=30).encode()


async def test_new_certificates_without_a_restart(etcd: Any, tmp_path: Path) -> None:
    first = pki.ensure_authority(tmp_path)
    pair = pki.ensure_certificate(first, tmp_path, "server", "one", (), HERE)
    other = pki.ensure_authority(tmp_path / "other")
    renewed = pki.ensure_certificate(other, tmp_path, "renewed", "two", (), HERE)
    person = pki.ensure_certificate(other, tmp_path, "person", "jane", ["system:masters"])
    flags = (
        f"--tls-cert-file={pair.certificate}", f"--tls-private-key-file={pair.key}",
        f"--client-ca-file={first.path}",
    )  # fmt: skip
    with running_apiserver(etcd, *flags) as apiserver:
        assert shown_certificate(apiserver.port).split() == pair.certificate.read_bytes().split()
        shutil.copy(renewed.certificate, pair.certificate)  # for a moment it is half of a pair
        shutil.copy(renewed.key, pair.key)
        shutil.copy(other.path, first.path)
        wanted = renewed.certificate.read_bytes().split()
        async with asyncio.timeout(60):
            while (await asyncio.to_thread(shown_certificate, apiserver.port)).split() != wanted:
                await asyncio.sleep(0.2)
        context = ssl.create_default_context(cafile=str(other.path))
        context.load_cert_chain(person.certificate, person.key)
        async with httpx.AsyncClient(base_url=apiserver.url, verify=context) as client:
            assert (await client.get("/api/v1/namespaces")).status_code == 200


async def test_several_servers_share_one_etcd(make_apiserver: Callable[..., Any]) -> None:
    one = make_apiserver("--advertise-address=192.0.2.1")
    two = make_apiserver("--advertise-address=192.0.2.2")
    async with one.client() as client, two.client() as other:
        assert await addresses(client) == ["192.0.2.1", "192.0.2.2"]
        made = await client.post(CONFIG_MAPS, json=config_map("a"))
        assert made.status_code == 201
        assert (await other.get(f"{CONFIG_MAPS}/a")).json() == made.json()
        assert len((await client.get(LEASES)).json()["items"]) == 2
        assert await asyncio.to_thread(two.stop) == 0
        assert await addresses(client) == ["192.0.2.1"]
        assert len((await client.get(LEASES)).json()["items"]) == 1


async def test_leases_of_servers_that_are_gone_are_collected(
    make_apiserver: Callable[..., Any],
) -> None:
    apiserver = make_apiserver()
    async with apiserver.client() as client:
        long_ago = datetime.now(UTC) - timedelta(hours=2)
        for name, label in (("apiserver-old", "kube-apiserver"), ("foreign", "other")):
            lease = {
                "kind": "Lease",
                "apiVersion": "coordination.k8s.io/v1",
                "metadata": {
                    "name": name,
                    "labels": {"apiserver.kubernetes.io/identity": label},
                },
                "spec": {
                    "holderIdentity": "x",
                    "leaseDurationSeconds": 3600,
                    "renewTime": format_micro_time(long_ago),
                },
            }
            assert (await client.post(LEASES, json=lease)).status_code == 201
        async with asyncio.timeout(60):
            while (await client.get(f"{LEASES}/apiserver-old")).status_code != 404:
                await asyncio.sleep(0.2)
        assert (await client.get(f"{LEASES}/foreign")).status_code == 200


async def test_two_clusters_in_one_etcd(make_apiserver: Callable[..., Any]) -> None:
    one, two = make_apiserver(), make_apiserver("--etcd-prefix=/registry-two")
    async with one.client() as client, two.client() as other:
        made = await client.post(CONFIG_MAPS, json=config_map("a"))
        query = {"watch": "1", "resourceVersion": made.json()["metadata"]["resourceVersion"]}
        assert (await other.get(f"{CONFIG_MAPS}/a")).status_code == 404
        async with other.stream("GET", CONFIG_MAPS, params=query) as watch:
            await client.post(CONFIG_MAPS, json=config_map("b"))
            assert (await other.post(CONFIG_MAPS, json=config_map("c"))).status_code == 201
            async with asyncio.timeout(60):
                event = json.loads(await anext(watch.aiter_lines()))
        assert event["object"]["metadata"]["name"] == "c"
        names = [
            item["metadata"]["name"] for item in (await other.get(CONFIG_MAPS)).json()["items"]
        ]
        assert [name for name in names if name != "kube-root-ca.crt"] == ["c"]


async def test_events_live_as_long_as_told(make_apiserver: Callable[..., Any]) -> None:
    apiserver = make_apiserver("--event-ttl=10m")
    event = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
    }
    async with apiserver.client() as client:
        made = await client.post(EVENTS, json=event)
        assert made.status_code == 201, made.text
    async with httpx.AsyncClient(base_url=f"{apiserver.etcd.url}/v3") as etcd:
        leases = (await etcd.post("/lease/leases", json={})).json()["leases"]
        found = [
            int((await etcd.post("/lease/timetolive", json={"ID": one["ID"]})).json()["grantedTTL"])
            for one in leases
        ]
    assert found == [660]


async def test_history_is_compacted(make_apiserver: Callable[..., Any]) -> None:
    servers = [make_apiserver("--etcd-compaction-interval=1s") for _ in range(2)]
    async with servers[0].client() as client:
        old = (await client.post(CONFIG_MAPS, json=config_map("a"))).json()["metadata"]
        query = {"resourceVersion": old["resourceVersion"], "resourceVersionMatch": "Exact"}
        codes: list[int] = []
        async with asyncio.timeout(60):
            while 410 not in codes:
                await client.post(CONFIG_MAPS, json=config_map(f"b{len(codes)}"))
                codes.append((await client.get(CONFIG_MAPS, params=query)).status_code)
                await asyncio.sleep(0.2)
        assert set(codes) <= {200, 410}
    compacted = [server.log.count("compacted the store") for server in servers]
    assert sum(compacted) > 0


async def test_missing_files_are_named(etcd: Any) -> None:
    secure = TlsEtcd(etcd.directory, etcd.port, etcd.peer_port)
    with (
        pytest.raises(RuntimeError, match=r"--etcd-cafile.*nowhere\.crt") as refused,
        running_apiserver(secure, "--etcd-cafile=nowhere.crt"),
    ):
        pass
    assert "Traceback" not in str(refused.value)


async def test_metrics_have_upstreams_names(apiserver: Any) -> None:
    async with apiserver.client() as client:
        made = await client.post(CONFIG_MAPS, json=config_map("a"))
        since = made.json()["metadata"]["resourceVersion"]
        query = {"watch": "1", "timeoutSeconds": "1", "resourceVersion": since}
        watching = asyncio.create_task(client.get(CONFIG_MAPS, params=query))
        await client.post(CONFIG_MAPS, json=config_map("b"))
        await watching
        await client.get("/api/v1/pods", headers={"Authorization": "Bearer wrong"})
        text = (await client.get("/metrics")).text
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert families >= {
        "apiserver_request_total", "apiserver_request_duration_seconds",
        "apiserver_request_sli_duration_seconds", "apiserver_response_sizes",
        "apiserver_current_inflight_requests", "apiserver_longrunning_requests",
        "apiserver_watch_events_total", "apiserver_watch_cache_events_dispatched_total",
        "apiserver_watch_cache_events_received_total", "apiserver_watch_cache_initializations_total",
        "apiserver_watch_cache_resource_version", "watch_cache_capacity",
        "apiserver_resource_objects", "apiserver_storage_objects", "apiserver_storage_size_bytes",
        "etcd_request_duration_seconds", "etcd_requests_total", "authentication_attempts",
        "kubernetes_build_info", "process_resident_memory_bytes", "wherry_event_loop_lag_seconds",
    }  # fmt: skip
    if METRICS.exists():
        upstream = dict(line.split() for line in METRICS.read_text().splitlines())
        own = {name for name in families if name.startswith(("apiserver_", "etcd_"))}
        assert own - upstream.keys() == NOT_SEEN_UPSTREAM
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    kind = [("group", ""), ("resource", "configmaps")]
    assert samples["apiserver_watch_events_total", *kind, ("version", "v1")] == 1
    assert samples["apiserver_resource_objects", *kind] >= 2
    calls = samples["etcd_requests_total", *sorted([*kind, ("operation", "create")])]
    assert calls == samples["apiserver_resource_objects", *kind]
    assert samples["authentication_attempts", ("result", "failure")] == 1
    assert samples["apiserver_storage_size_bytes", ("storage_cluster_id", "etcd-0")] > 0


async def test_slow_and_failed_requests_are_in_the_log_by_audit_id(apiserver: Any) -> None:
    async with apiserver.client() as client:
        assert (await client.get(CONFIG_MAPS)).status_code == 200
        apiserver.etcd.pause()
        headers = {"Audit-Id": "my-request"}
        answer = await client.get(CONFIG_MAPS, headers=headers)
        apiserver.etcd.resume()
    assert answer.status_code in (503, 504)
    assert answer.headers["audit-id"] == "my-request"
    line = next(line for line in apiserver.log.splitlines() if "my-request" in line)
    assert f"GET '{CONFIG_MAPS}'" in line
    assert f"resp={answer.status_code}" in line
