"""Who may call a kubelet, as a real API server with RBAC tells it."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.server.auth import Gate, permissions
from tests.integration.conftest import running_apiserver
from wherry.client.kubeconfig import load
from wherry.client.rest import Client
from wherry.daemon.clock import FakeClock

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


@pytest.fixture
def server(etcd):
    with running_apiserver(etcd, "--authorization-mode=Node,RBAC") as found:
        yield found


async def account(http: Any, name: str, *subresources: str) -> str:
    """A service account with rights on parts of nodes, and a token of it."""
    tree: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name},
    }
    assert (await http.post(ACCOUNTS, json=tree)).status_code == 201
    resources = [f"nodes/{part}" for part in subresources]
    rules = [{"apiGroups": [""], "resources": resources, "verbs": ["get"]}]
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    role = {**kind, "kind": "ClusterRole", "rules": rules}
    assert (await http.post(f"{RBAC}/clusterroles", json=role)).status_code == 201
    binding = {
        **kind, "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
    }  # fmt: skip
    assert (await http.post(f"{RBAC}/clusterrolebindings", json=binding)).status_code == 201
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await http.post(f"{ACCOUNTS}/{name}/token", json=request)
    token: str = answer.json()["status"]["token"]
    return token


async def test_rights_are_fine_grained_and_end(server):
    clock = FakeClock()
    async with server.client() as http, Client(load(str(server.kubeconfig))) as client:
        gate = Gate(client, "n1", clock)

        async def answers(token: str, method: str, path: str) -> int:
            caller = await gate.caller(None, token)
            if caller is None:
                return 401
            return 200 if await gate.may(caller, *permissions(method, path)) else 403

        scraper = await account(http, "scraper", "metrics", "stats", "pods", "healthz")
        for path, code in (
            ("/metrics", 200), ("/metrics/resource", 200), ("/stats/summary", 200), ("/pods", 200),
            ("/healthz", 200), ("/configz", 403), ("/logs/x", 403), ("/containerLogs/n/p/c", 403),
            ("/exec/n/p/c", 403), ("/run/n/p/c", 403), ("/portForward/n/p", 403),
            ("/checkpoint/n/p/c", 403), ("/debug/pprof", 403),
        ):  # fmt: skip
            assert (path, await answers(scraper, "GET", path)) == (path, code)
        assert await answers(scraper, "POST", "/metrics") == 403
        proxy = await account(http, "proxy", "proxy")
        for path, code in (("/exec/n/p/c", 200), ("/pods", 200), ("/metrics", 403)):
            assert (path, await answers(proxy, "GET", path)) == (path, code)
        assert await answers(f"{scraper[:-4]}AAAA", "GET", "/metrics") == 401
        assert (await http.delete(f"{ACCOUNTS}/scraper")).status_code == 200
        assert (await http.delete(f"{RBAC}/clusterrolebindings/proxy")).status_code == 200
        clock.advance(301)  # what was answered before is kept for so long
        assert await answers(scraper, "GET", "/metrics") == 401
        assert await answers(proxy, "GET", "/exec/n/p/c") == 403
