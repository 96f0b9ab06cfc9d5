"""`--authorization-config`: a webhook is asked, before and after others, and its silence has a meaning."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.conftest import TOKEN

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
TOKENS = f'{TOKEN},admin,0,"system:masters"\njane-token,jane,1,"dev"\nbob-token,bob,2\n'


class Hook:
    """A webhook: jane may what has to do with config maps, nobody may with secrets; bob breaks it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.asked.append(review["spec"])
                status = hook.status(review["spec"])
                body = json.dumps({**review, "status": status}).encode()
                self.send_response(200 if status is not None else 403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *values: Any) -> None:
                """Said nowhere."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/authorize"

    def status(self, spec: dict[str, Any]) -> dict[str, Any] | None:
        resource = spec.get("resourceAttributes", {}).get("resource")
        if spec["user"] == "bob":
            return None
        if resource == "secrets":
            return {"denied": True, "reason": "secrets are nobody's business"}
        return {"allowed": spec["user"] == "jane" and resource == "configmaps"}

    def of(self, user: str) -> list[dict[str, Any]]:
        return [spec for spec in self.asked if spec["user"] == user]


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()


@pytest.fixture
def server(make_apiserver: Callable[..., Any], hook: Hook, tmp_path: Path) -> Any:
    """Asks the webhook, which fails closed, and then RBAC."""
    kubeconfig = {
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": hook.url}}],
    }  # fmt: skip
    (tmp_path / "hook.kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    connection = {"type": "KubeConfigFile", "kubeConfigFile": str(tmp_path / "hook.kubeconfig")}
    webhook = {
        "timeout": "30s", "subjectAccessReviewVersion": "v1", "failurePolicy": "Deny",
        "matchConditionSubjectAccessReviewVersion": "v1", "connectionInfo": connection,
    }  # fmt: skip
    tree = {
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration",
        "authorizers": [
            {"type": "Webhook", "name": "hook", "webhook": webhook},
            {"type": "RBAC", "name": "rbac"},
        ],
    }  # fmt: skip
    (tmp_path / "authorization.yaml").write_text(yaml.safe_dump(tree))
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"
    )
    (tmp_path / "tokens.csv").write_text(TOKENS)
    return make_apiserver(
        f"--authorization-config={tmp_path / 'authorization.yaml'}",
        f"--token-auth-file={tmp_path / 'tokens.csv'}",
        f"--audit-policy-file={tmp_path / 'policy.yaml'}",
        f"--audit-log-path={tmp_path / 'audit.log'}",
    )


@contextlib.asynccontextmanager
async def as_user(server: Any, name: str) -> Any:
    async with server.client() as client:
        client.headers["Authorization"] = f"Bearer {name}-token"
        yield client


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def grant(server: Any) -> None:
    """RBAC would let jane and bob do everything."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "all"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
        },
        "subjects": [{"kind": "User", "name": one} for one in ("jane", "bob")],
    }  # fmt: skip
    async with server.client() as admin:  # system:masters are not asked about
        path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        assert (await admin.post(path, json=binding)).status_code == 201


async def test_a_webhook_decides(server: Any, hook: Hook, tmp_path: Path) -> None:
    async with as_user(server, "jane") as jane:
        made = await jane.post(CONFIG_MAPS, json=config_map("a"))
        assert made.status_code == 201, made.text
        assert (await jane.get(f"{CONFIG_MAPS}/a")).status_code == 200
        refused = await jane.get(PODS)  # neither by it nor by RBAC
        assert refused.status_code == 403
        denied = await jane.get("/api/v1/secrets")
        assert denied.status_code == 403
        assert denied.json()["message"].endswith(": secrets are nobody's business")
        assert (await jane.get("/metrics")).status_code == 403  # a page asks, too
        own = {"spec": {"resourceAttributes": {"verb": "get", "resource": "secrets"}}}
        review = (await jane.post(REVIEWS, json=own)).json()
        assert review["status"] == {
            "allowed": False, "denied": True, "reason": "secrets are nobody's business",
        }  # fmt: skip
        before = len(hook.asked)
        for _ in range(5):
            assert (await jane.get(f"{CONFIG_MAPS}/a")).status_code == 200
        assert len(hook.asked) == before  # its answers are kept
    create = hook.of("jane")[0]
    assert create["groups"] == ["dev", "system:authenticated"]
    assert create["resourceAttributes"] == {
        "namespace": "default", "verb": "create", "version": "v1", "resource": "configmaps",
    }  # fmt: skip
    assert not hook.of("admin")
    events = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    ids = [
        one["auditID"] for one in events
        if one["user"].get("username") == "jane" and one["stage"] == "ResponseComplete"
    ]  # fmt: skip
    assert len(ids) == len(set(ids))  # each request is told once, however often it began


async def test_what_a_webhook_refuses_or_leaves_unsaid(server: Any, hook: Hook) -> None:
    await grant(server)
    async with as_user(server, "jane") as jane:
        assert (await jane.get(PODS)).status_code == 200  # by RBAC
        assert (await jane.get("/api/v1/secrets")).status_code == 403  # for good
    async with as_user(server, "bob") as bob:
        silent: httpx.Response = await bob.get(PODS)  # it fails closed
        assert silent.status_code == 500, silent.text
        assert "answered 403" in silent.json()["message"]
    assert "Traceback" not in server.log
