"""The audit of a real server: what is written for whom, and that nothing of it stops requests."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.apiserver.refusals import refusal

DEADLINE_SECONDS = 60.0
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "None", "nonResourceURLs": ["/readyz*", "/api", "/apis*"]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
        {
            "level": "RequestResponse",
            "omitManagedFields": True,
            "resources": [{"group": "", "resources": ["configmaps"]}],
        },
        {"level": "Metadata"},
    ],
}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(POLICY))
    return path


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def of(path: Path, **wanted: str) -> list[dict[str, Any]]:
    return [one for one in events(path) if all(one.get(k) == v for k, v in wanted.items())]


async def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    return found


async def test_requests_are_told_as_the_policy_says(make_apiserver, policy: Path, tmp_path: Path):
    log = tmp_path / "audit.log"
    server = make_apiserver(f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    async with server.client() as client:
        secret = {"metadata": {"generateName": "s-"}, "stringData": {"password": "hunter-2-x"}}
        made = await client.post(
            "/api/v1/namespaces/default/secrets", json=secret, headers={"Audit-Id": "mine"}
        )
        assert made.status_code == 201
        assert made.headers["audit-id"] == "mine"
        body = 'metadata: {name: c}\ndata: {"a": "b"}\n'
        await client.post(
            "/api/v1/namespaces/default/configmaps",
            content=body,
            headers={"Content-Type": "application/yaml"},
        )
        await client.get("/api/v1/namespaces/default/configmaps/missing")
        await client.get("/apis/nowhere.example/v1/things/x")
        await client.get("/api/v1/nonsense")
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        await client.post(accounts, json={"metadata": {"name": "robot"}})
        asked = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}}
        answer = await client.post(f"{accounts}/robot/token", json=asked)
        token = answer.json()["status"]["token"]
        version = await client.get("/version")
        await client.get("/api/v1/pods", headers={"Authorization": "Bearer wrong-token-x"})
    last = await until(lambda: of(log, requestURI="/api/v1/pods"))
    assert last[0]["responseStatus"] == {
        "metadata": {}, "message": "Authentication failed, attempted: bearer", "code": 401,
    }  # fmt: skip
    assert last[0]["user"] == {}

    (made_event,) = of(log, auditID="mine")
    assert made_event["level"] == "Metadata"
    assert made_event["verb"] == "create"
    assert made_event["user"]["username"] == "admin"
    assert made_event["sourceIPs"] == ["127.0.0.1"]
    assert made_event["objectRef"] == {
        "resource": "secrets", "namespace": "default", "apiVersion": "v1",
        "name": made.json()["metadata"]["name"], "uid": made.json()["metadata"]["uid"],
    }  # fmt: skip
    assert made_event["responseStatus"] == {"metadata": {}, "code": 201}
    assert made_event["annotations"]["authorization.k8s.io/decision"] == "allow"

    (config,) = of(log, requestURI="/api/v1/namespaces/default/configmaps")
    assert config["requestObject"] == {"metadata": {"name": "c"}, "data": {"a": "b"}}
    assert config["responseObject"]["data"] == {"a": "b"}
    assert "managedFields" not in config["responseObject"]["metadata"]

    (missing,) = of(log, requestURI="/api/v1/namespaces/default/configmaps/missing")
    assert missing["responseStatus"]["reason"] == "NotFound"
    assert missing["responseObject"]["kind"] == "Status"
    assert not of(log, requestURI="/apis/nowhere.example/v1/things/x"), "None for /apis*"
    (nonsense,) = of(log, requestURI="/api/v1/nonsense")
    assert nonsense["responseStatus"]["code"] == 404
    assert nonsense["user"]["username"] == "admin"
    (page,) = of(log, requestURI="/version")
    assert page["auditID"] == version.headers["audit-id"]
    assert page["verb"] == "get"
    assert "objectRef" not in page
    assert not of(log, requestURI="/readyz")
    (issued,) = [one for one in of(log, verb="create") if one["requestURI"].endswith("/token")]
    assert issued["annotations"]["authentication.kubernetes.io/issued-credential-id"][:4] == "JTI="
    text = log.read_text()
    assert token not in text
    assert "hunter-2-x" not in text
    assert "wrong-token-x" not in text


async def test_streams_are_told_when_they_start_and_end(
    make_apiserver, policy: Path, tmp_path: Path
):
    log = tmp_path / "audit.log"
    server = make_apiserver(f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    uri = "/api/v1/namespaces?watch=1"
    async with server.client() as client:
        async with client.stream("GET", uri) as watch:
            assert watch.status_code == 200
            (started,) = await until(lambda: of(log, requestURI=uri))
            assert started["stage"] == "ResponseStarted"
            assert started["verb"] == "watch"
        _, ended = await until(
            lambda: len(of(log, requestURI=uri)) == 2 and of(log, requestURI=uri)
        )
        assert ended["stage"] == "ResponseComplete"
        assert ended["auditID"] == started["auditID"]
        big = await client.get("/api/v1/namespaces/default/configmaps")
        assert big.status_code == 200
    # What waits when the server stops is written before it ends.
    assert server.stop() == 0
    assert of(log, requestURI="/api/v1/namespaces/default/configmaps")


async def test_a_full_disk_stops_nothing_and_is_counted(make_apiserver, policy: Path):
    server = make_apiserver(f"--audit-policy-file={policy}", "--audit-log-path=/dev/full")
    async with server.client() as client:
        for _ in range(3):
            assert (await client.get("/api/v1/namespaces/default")).status_code == 200

        async def lost() -> float:
            text = (await client.get("/metrics")).text
            return metric(text, 'apiserver_audit_error_total{plugin="log"}')

        deadline = time.monotonic() + DEADLINE_SECONDS
        while await lost() < 3:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        text = (await client.get("/metrics")).text
        assert metric(text, "apiserver_audit_event_total") >= 3
        assert metric(text, 'apiserver_audit_level_total{level="Metadata"}') >= 3
    assert "No space left on device" in server.log


async def test_strict_means_refused_when_it_cannot_be_written(make_apiserver, policy: Path):
    server = make_apiserver(
        f"--audit-policy-file={policy}", "--audit-log-path=/dev/full",
        "--audit-log-mode=blocking-strict",
    )  # fmt: skip
    async with server.client() as client:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (answer := await client.get("/api/v1/namespaces/default")).status_code == 200:
            assert time.monotonic() < deadline
        assert answer.status_code == 500
        assert "failed to store audit event" in answer.json()["message"]


def metric(text: str, name: str) -> float:
    return next(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name)
    )


class Collector(http.server.BaseHTTPRequestHandler):
    """A webhook that refuses its first call."""

    bodies: list[dict[str, Any]]
    refusals: list[int]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        code = self.refusals.pop() if self.refusals else 200
        if code == 200:
            self.bodies.append(body)
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return None


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    class Handler(Collector):
        bodies: list[dict[str, Any]] = []
        refusals = [503]

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/events", Handler.bodies
    server.shutdown()
    thread.join()
    server.server_close()


def kubeconfig(path: Path, url: str) -> Path:
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "webhook-token-x"}}],
            }
        )
    )
    return path


async def test_events_reach_a_webhook(make_apiserver, policy: Path, tmp_path: Path, webhook):
    url, bodies = webhook
    server = make_apiserver(
        f"--audit-policy-file={policy}", "--audit-webhook-batch-max-wait=100ms",
        f"--audit-webhook-config-file={kubeconfig(tmp_path / 'hook', url)}",
        "--audit-webhook-initial-backoff=50ms",
    )  # fmt: skip
    async with server.client() as client:
        await client.get("/api/v1/namespaces/default", headers={"Audit-Id": "hooked"})
    items = await until(lambda: [one for body in bodies for one in body["items"]])
    assert bodies[0]["kind"] == "EventList"
    await until(lambda: [one for b in bodies for one in b["items"] if one["auditID"] == "hooked"])
    assert items[0]["kind"] == "Event"


async def test_a_dead_webhook_stops_nothing(make_apiserver, policy: Path, tmp_path: Path):
    hook = kubeconfig(tmp_path / "hook", "https://127.0.0.1:1/")
    server = make_apiserver(
        f"--audit-policy-file={policy}", f"--audit-webhook-config-file={hook}",
        "--audit-webhook-batch-max-wait=1ms", "--audit-webhook-initial-backoff=1ms",
    )  # fmt: skip
    async with server.client() as client:
        for _ in range(20):
            answer = await client.get("/api/v1/namespaces/default")
            assert answer.status_code == 200
    await until(lambda: "audit webhook" in server.log)
    assert "webhook-token-x" not in server.log


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--audit-policy-file=/nowhere/at/all"], "--audit-policy-file: "),
        (["--audit-log-maxsize=-1"], "--audit-log-maxsize must be 0 or more"),
    ],
)
async def test_wrong_flags_are_refused(tmp_path: Path, flags: list[str], words: str):
    assert words in await refusal(tmp_path, *flags)


async def test_who_acts_as_whom_and_what_was_decided(
    make_apiserver, policy: Path, tmp_path: Path
) -> None:
    log = tmp_path / "audit.log"
    server = make_apiserver(
        f"--audit-policy-file={policy}", f"--audit-log-path={log}", "--authorization-mode=RBAC"
    )
    uri = "/api/v1/namespaces/default/secrets"
    async with server.client() as client:
        refused = await client.get(
            uri, headers={"Impersonate-User": "jane", "Impersonate-Group": "dev"}
        )
        assert refused.status_code == 403
        assert (await client.get(uri)).status_code == 200
    await until(lambda: len(of(log, requestURI=uri)) == 2)
    first, second = of(log, requestURI=uri)
    assert first["user"]["username"] == "admin"
    assert first["impersonatedUser"]["username"] == "jane"
    assert "dev" in first["impersonatedUser"]["groups"]
    assert first["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert first["responseStatus"]["code"] == 403
    assert 'User "jane" cannot list' in first["responseStatus"]["message"]
    assert second["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert "impersonatedUser" not in second
