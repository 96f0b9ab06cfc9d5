"""Pod Security on a real server: what a person sees who applies, labels and debugs."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.apiserver.test_kubectl import Kubectl
from tests.integration.conftest import ApiServer, Etcd, running_apiserver, running_etcd

PREFIX = "pod-security.kubernetes.io/"
HARD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(name: str = "p", image: str = "i", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "a", "image": image}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, **spec},
    }


HARDENED = pod("hard", containers=[{"name": "a", "image": "i", "securityContext": HARD}])


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    """One whose audit log is read, with exemptions."""
    with running_etcd() as etcd:
        yield from _configured(etcd)


def _configured(etcd: Etcd) -> Iterator[ApiServer]:
    with tempfile.TemporaryDirectory(prefix="wherry-admission-") as folder:
        directory = Path(folder)
        (directory / "admission.yaml").write_text(
            """
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    exemptions: {namespaces: [kube-system], usernames: [trusted]}
"""
        )
        (directory / "audit.yaml").write_text(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"
        )
        with running_apiserver(
            etcd,
            f"--admission-control-config-file={directory}/admission.yaml",
            f"--audit-policy-file={directory}/audit.yaml",
            f"--audit-log-path={directory}/audit.log",
        ) as running:
            yield running


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


async def make_namespace(client: httpx.AsyncClient, **labels: str) -> str:
    name = f"ps-{uuid.uuid4().hex[:8]}"
    named = {PREFIX + mode.replace("_", "-"): value for mode, value in labels.items()}
    namespace = {"metadata": {"name": name, "labels": named}}
    (await client.post("/api/v1/namespaces", json=namespace)).raise_for_status()
    account = {"metadata": {"name": "default"}}
    path = f"/api/v1/namespaces/{name}/serviceaccounts"
    (await client.post(path, json=account)).raise_for_status()
    return name


def pods(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/pods" + (f"/{name}" if name else "")


async def relabel(client: httpx.AsyncClient, namespace: str, **labels: str) -> httpx.Response:
    named = {PREFIX + mode.replace("_", "-"): value for mode, value in labels.items()}
    return await client.patch(
        f"/api/v1/namespaces/{namespace}",
        content=json.dumps({"metadata": {"labels": named}}),
        headers={"Content-Type": "application/merge-patch+json"},
    )


async def test_enforced(client: httpx.AsyncClient) -> None:
    namespace = await make_namespace(client, enforce="restricted")
    answer = await client.post(pods(namespace), json=pod())
    assert answer.status_code == 403
    assert answer.json()["message"] == (
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": '
        "allowPrivilegeEscalation != false "
        '(container "a" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "a" must set '
        'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "a" '
        "must set securityContext.runAsNonRoot=true), "
        'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to '
        '"RuntimeDefault" or "Localhost")'
    )
    assert answer.json()["details"] == {"name": "p", "kind": "pods"}
    # With its token volume, and all else that the server adds, a hardened pod is let in.
    assert (await client.post(pods(namespace), json=HARDENED)).status_code == 201
    dry = await client.post(pods(namespace) + "?dryRun=All", json=pod("q"))
    assert dry.status_code == 403


async def test_later_changes_of_a_pod(client: httpx.AsyncClient) -> None:
    namespace = await make_namespace(client)
    (await client.post(pods(namespace), json=pod(hostNetwork=True))).raise_for_status()
    (await relabel(client, namespace, enforce="baseline")).raise_for_status()
    merge = {"headers": {"Content-Type": "application/merge-patch+json"}}
    path = pods(namespace, "p")
    labels = json.dumps({"metadata": {"labels": {"a": "b"}}})
    assert (await client.patch(path, content=labels, **merge)).status_code == 200
    status = json.dumps({"status": {"phase": "Running"}})
    assert (await client.patch(path + "/status", content=status, **merge)).status_code == 200
    strategic = {"headers": {"Content-Type": "application/strategic-merge-patch+json"}}
    image = json.dumps({"spec": {"containers": [{"name": "a", "image": "other"}]}})
    answer = await client.patch(path, content=image, **strategic)
    assert (answer.status_code, "host namespaces" in answer.text) == (403, True)
    debugger = json.dumps({"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}]}})
    answer = await client.patch(path + "/ephemeralcontainers", content=debugger, **strategic)
    assert (answer.status_code, "host namespaces" in answer.text) == (403, True)
    resize = json.dumps(
        {"spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": "1m"}}}]}}
    )
    answer = await client.patch(path + "/resize", content=resize, **strategic)
    assert "PodSecurity" not in answer.text


async def test_an_ephemeral_container_is_looked_at(client: httpx.AsyncClient) -> None:
    namespace = await make_namespace(client, enforce="restricted")
    (await client.post(pods(namespace), json=HARDENED)).raise_for_status()
    debugger = {"name": "d", "image": "i", "securityContext": {**HARD, "privileged": True}}
    answer = await client.patch(
        pods(namespace, "hard") + "/ephemeralcontainers",
        content=json.dumps({"spec": {"ephemeralContainers": [debugger]}}),
        headers={"Content-Type": "application/strategic-merge-patch+json"},
    )
    assert answer.status_code in (403, 422)
    debugger["securityContext"] = {**HARD, "allowPrivilegeEscalation": True}
    answer = await client.patch(
        pods(namespace, "hard") + "/ephemeralcontainers",
        content=json.dumps({"spec": {"ephemeralContainers": [debugger]}}),
        headers={"Content-Type": "application/strategic-merge-patch+json"},
    )
    assert answer.status_code == 403
    assert 'container "d" must set' in answer.json()["message"]


async def test_versions(client: httpx.AsyncClient) -> None:
    namespace = await make_namespace(client, enforce="baseline", enforce_version="v1.33")
    probed = pod("probed")
    probed["spec"]["containers"][0]["livenessProbe"] = {"httpGet": {"port": 1, "host": "10.0.0.1"}}
    assert (await client.post(pods(namespace), json=probed)).status_code == 201
    (await relabel(client, namespace, enforce_version="v1.34")).raise_for_status()
    probed["metadata"]["name"] = "again"
    answer = await client.post(pods(namespace), json=probed)
    words = 'violates PodSecurity "baseline:v1.34": probe or lifecycle host ('
    assert words in answer.json()["message"]


async def test_warnings_of_workloads(client: httpx.AsyncClient) -> None:
    namespace = await make_namespace(client, enforce="baseline")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod(hostPID=True)["spec"]}
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    answer = await client.post(path, json=deployment)
    assert answer.status_code == 201
    assert answer.headers["warning"] == (
        '299 - "would violate PodSecurity \\"baseline:latest\\": host namespaces (hostPID=true)"'
    )


async def test_labels_are_checked(client: httpx.AsyncClient) -> None:
    namespace = await make_namespace(client)
    answer = await relabel(client, namespace, enforce="strict", warn_version="1.20")
    assert answer.status_code == 422
    assert [cause["field"] for cause in answer.json()["details"]["causes"]] == [
        f"metadata.labels[{PREFIX}enforce]",
        f"metadata.labels[{PREFIX}warn-version]",
    ]


async def test_exemptions(client: httpx.AsyncClient) -> None:
    namespace = await make_namespace(client, enforce="restricted")
    trusted = {"Impersonate-User": "trusted", "Impersonate-Group": "system:masters"}
    answer = await client.post(pods(namespace), json=pod(hostNetwork=True), headers=trusted)
    assert answer.status_code == 201
    answer = await client.post(pods(namespace), json=pod("q", hostNetwork=True))
    assert answer.status_code == 403
    answer = await relabel(client, "kube-system", enforce="restricted")
    assert "is exempt from Pod Security, and the policy" in answer.headers["warning"]


async def test_the_audit_log_knows(client: httpx.AsyncClient, server: ApiServer) -> None:
    log = Path(server.flags[-1].partition("=")[2])
    namespace = await make_namespace(client, enforce="baseline", audit="restricted")
    uid = uuid.uuid4().hex
    answer = await client.post(pods(namespace), json=pod(), headers={"Audit-ID": uid})
    assert answer.status_code == 201
    found: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while not found:
            await asyncio.sleep(0.02)
            text = await asyncio.to_thread(log.read_text)
            for line in text.splitlines():
                event = json.loads(line)
                if event["auditID"] == uid and event["stage"] == "ResponseComplete":
                    found = event["annotations"]
    assert found[PREFIX + "enforce-policy"] == "baseline:latest"
    assert found[PREFIX + "audit-violations"].startswith(
        'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
    )


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
async def test_kubectl_prints_it(
    client: httpx.AsyncClient, server: ApiServer, tmp_path: Path
) -> None:
    namespace = await make_namespace(client, warn="baseline")
    kubectl = Kubectl(server.kubeconfig, tmp_path, namespace)
    for name in ("one", "two"):
        said = kubectl("apply", "-f", "-", stdin=json.dumps(pod(name, hostNetwork=True)))
        words = 'Warning: would violate PodSecurity "baseline:latest": host namespaces '
        assert f"{words}(hostNetwork=true)\n" in said
        assert f"pod/{name} created" in said
    said = kubectl("label", "namespace", namespace, f"{PREFIX}enforce=baseline")
    assert (
        f'Warning: existing pods in namespace "{namespace}" violate the new PodSecurity enforce '
        'level "baseline:latest"\nWarning: one (and 1 other pod): host namespaces\n'
    ) in said
    said = kubectl("label", "namespace", namespace, f"{PREFIX}audit=nope", code=1)
    assert f'The Namespace "{namespace}" is invalid: metadata.labels[{PREFIX}audit]' in said
    said = kubectl("create", "deployment", "web", "--image=i", code=0)
    assert "Warning" not in said
    said = kubectl("apply", "-f", "-", stdin=json.dumps(pod("three", hostNetwork=True)), code=1)
    assert 'pods "three" is forbidden: violates PodSecurity "baseline:latest"' in said
