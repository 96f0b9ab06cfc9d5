"""Plug-ins and their flags on a real server."""

from __future__ import annotations

import base64
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.apiserver.refusals import refusal
from tests.integration.apiserver.test_kubectl import Kubectl
from tests.integration.conftest import ApiServer, running_apiserver, running_etcd

OPTIONAL = (
    "AlwaysAdmit", "AlwaysPullImages", "DenyServiceExternalIPs", "EventRateLimit",
    "ExtendedResourceToleration", "LimitPodHardAntiAffinityTopology", "NamespaceExists",
    "OwnerReferencesPermissionEnforcement", "PodNodeSelector", "PodTolerationRestriction",
    "MutatingAdmissionWebhook", "ValidatingAdmissionWebhook", "ValidatingAdmissionPolicy",
)  # fmt: skip
CONFIGURATION = """
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: EventRateLimit
  path: events.yaml
- name: PodNodeSelector
  configuration: {podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: "pool=any"}}
"""
EVENTS = """
apiVersion: eventratelimit.admission.k8s.io/v1alpha1
kind: Configuration
limits: [{type: Namespace, qps: 1, burst: 3}]
"""
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """All that is optional is on; RBAC decides."""
    folder = tmp_path_factory.mktemp("admission")
    (folder / "admission.yaml").write_text(CONFIGURATION)
    (folder / "events.yaml").write_text(EVENTS)
    with (
        running_etcd() as etcd,
        running_apiserver(
            etcd,
            "--authorization-mode=RBAC",
            f"--enable-admission-plugins={','.join(OPTIONAL)}",
            f"--admission-control-config-file={folder}/admission.yaml",
        ) as running,
    ):
        yield running


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


@pytest.fixture
async def namespace(client: httpx.AsyncClient) -> str:
    name = f"a-{uuid.uuid4().hex[:8]}"
    body = {"metadata": {"name": name}}
    (await client.post("/api/v1/namespaces", json=body)).raise_for_status()
    account = {"metadata": {"name": "default"}}
    path = f"/api/v1/namespaces/{name}/serviceaccounts"
    (await client.post(path, json=account)).raise_for_status()
    return name


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "i:1"}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


async def grant(
    client: httpx.AsyncClient, user: str, namespace: str, *rules: dict[str, list[str]]
) -> None:
    """Rights of a user: in a namespace, or everywhere when it is empty."""
    group = "/apis/rbac.authorization.k8s.io/v1"
    where = f"{group}/namespaces/{namespace}" if namespace else group
    kinds = ("roles", "rolebindings") if namespace else ("clusterroles", "clusterrolebindings")
    kind = "Role" if namespace else "ClusterRole"
    role = {"metadata": {"name": user}, "rules": list(rules)}
    (await client.post(f"{where}/{kinds[0]}", json=role)).raise_for_status()
    binding = {
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": user},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
    }
    (await client.post(f"{where}/{kinds[1]}", json=binding)).raise_for_status()


def rule(group: str, resource: str, *verbs: str, names: list[str] | None = None) -> Any:
    found: dict[str, list[str]] = {
        "apiGroups": [group], "resources": [resource], "verbs": list(verbs),
    }  # fmt: skip
    return {**found, "resourceNames": names} if names else found


def csr(signer: str, name: str = "x") -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return {
        "metadata": {"generateName": "r-"},
        "spec": {
            "signerName": signer,
            "usages": ["client auth"],
            "request": base64.b64encode(pem).decode(),
        },
    }


async def test_pods_are_changed_by_what_is_on(client: httpx.AsyncClient, namespace: str) -> None:
    body = pod()
    body["spec"]["containers"][0]["resources"] = {"limits": {"example.com/gpu": "1"}}
    answer = await client.post(f"/api/v1/namespaces/{namespace}/pods", json=body)
    assert answer.status_code == 201, answer.text
    spec = answer.json()["spec"]
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    assert spec["nodeSelector"] == {"pool": "any"}
    keys = {one["key"] for one in spec["tolerations"]}
    assert "example.com/gpu" in keys


async def test_hard_anti_affinity(client: httpx.AsyncClient, namespace: str) -> None:
    term = {"topologyKey": "zone", "labelSelector": {}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    body = pod(affinity=affinity)
    answer = await client.post(f"/api/v1/namespaces/{namespace}/pods", json=body)
    assert answer.status_code == 403
    assert "has TopologyKey zone but only key kubernetes.io/hostname" in answer.text


async def test_external_ips(client: httpx.AsyncClient, namespace: str) -> None:
    service = {
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}], "externalIPs": ["198.51.100.1"]},
    }
    answer = await client.post(f"/api/v1/namespaces/{namespace}/services", json=service)
    assert answer.status_code == 403
    assert "Use of external IPs is denied by admission control" in answer.text


async def test_too_many_events(client: httpx.AsyncClient, namespace: str) -> None:
    codes = []
    for number in range(6):
        event = {
            "metadata": {"name": f"e{number}", "namespace": namespace},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": namespace},
        }
        answer = await client.post(f"/api/v1/namespaces/{namespace}/events", json=event)
        codes.append(answer.status_code)
    assert codes[:3] == [201, 201, 201]
    assert 429 in codes
    assert (
        answer.json()["message"] == (f"limit reached on type Namespace for key {namespace}")
        or answer.status_code == 201
    )


async def test_owners_need_rights(client: httpx.AsyncClient, namespace: str) -> None:
    user = f"u-{uuid.uuid4().hex[:8]}"
    await grant(client, user, namespace, rule("", "configmaps", "create", "patch"))
    acting = {"Impersonate-User": user}
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    owner = {
        "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1", "blockOwnerDeletion": True,
    }  # fmt: skip
    made = {"metadata": {"name": "m", "ownerReferences": [owner]}}
    answer = await client.post(maps, json=made, headers=acting)
    assert answer.json()["message"] == (
        'configmaps "m" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to '
        "a resource you can't set finalizers on: , <nil>"
    )
    plain = {"metadata": {"name": "m"}}
    assert (await client.post(maps, json=plain, headers=acting)).status_code == 201
    owner.pop("blockOwnerDeletion")
    answer = await client.patch(
        f"{maps}/m", content=json.dumps({"metadata": {"ownerReferences": [owner]}}),
        headers={**MERGE, **acting},
    )  # fmt: skip
    assert "cannot set an ownerRef on a resource you can't delete" in answer.text
    await grant(client, f"{user}-more", namespace, rule("", "configmaps", "delete"))


async def test_certificates_need_rights_on_their_signer(client: httpx.AsyncClient) -> None:
    user = f"u-{uuid.uuid4().hex[:8]}"
    group = "certificates.k8s.io"
    requests = f"/apis/{group}/v1/certificatesigningrequests"
    await grant(
        client, user, "",
        rule(group, "certificatesigningrequests/approval", "update", "patch"),
        rule(group, "certificatesigningrequests/status", "update", "patch"),
        rule(group, "certificatesigningrequests", "get"),
        rule(group, "signers", "approve", names=["mine.example.com/*"]),
        rule(group, "signers", "sign", names=["mine.example.com/a"]),
    )  # fmt: skip
    acting = {"Impersonate-User": user}

    async def made(signer: str) -> dict[str, Any]:
        answer = await client.post(requests, json=csr(signer))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def approve(request: dict[str, Any]) -> httpx.Response:
        condition = {"type": "Approved", "status": "True", "reason": "Test"}
        body = {**request, "status": {"conditions": [condition]}}
        path = f"{requests}/{request['metadata']['name']}/approval"
        return await client.put(path, json=body, headers=acting)

    async def fail(request: dict[str, Any]) -> httpx.Response:
        path = f"{requests}/{request['metadata']['name']}/status"
        condition = {"type": "Failed", "status": "True", "reason": "Test"}
        body = json.dumps({"status": {"conditions": [condition]}})
        return await client.patch(path, content=body, headers={**MERGE, **acting})

    other = await made("other.example.com/a")
    answer = await approve(other)
    assert answer.json()["message"] == (
        f'certificatesigningrequests.certificates.k8s.io "{other["metadata"]["name"]}" is '
        "forbidden: user not permitted to approve requests with signerName "
        '"other.example.com/a"'
    )
    assert "user not permitted to sign requests" in (await fail(other)).json()["message"]
    mine, other_of_mine = await made("mine.example.com/a"), await made("mine.example.com/b")
    assert (await approve(mine)).status_code == 200
    assert (await fail(mine)).status_code == 200
    assert (await approve(other_of_mine)).status_code == 200
    assert (await fail(other_of_mine)).status_code == 403


async def test_a_pod_learns_its_nodes_zone(client: httpx.AsyncClient, namespace: str) -> None:
    node = f"n-{uuid.uuid4().hex[:8]}"
    zone = {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1"}
    body = {"metadata": {"name": node, "labels": {**zone, "other": "x"}}}
    (await client.post("/api/v1/nodes", json=body)).raise_for_status()
    pods = f"/api/v1/namespaces/{namespace}/pods"
    labelled = pod()
    labelled["metadata"]["labels"] = {"app": "a", "topology.kubernetes.io/zone": "false"}
    (await client.post(pods, json=labelled)).raise_for_status()
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": node}}
    assert (await client.post(f"{pods}/p/binding", json=binding)).status_code == 201
    stored = (await client.get(f"{pods}/p")).json()
    assert stored["metadata"]["labels"] == {"app": "a", **zone}


# --- flags ---


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--enable-admission-plugins=Nope"], "admission plugin 'Nope' is not known"),
        (["--disable-admission-plugins=Nope"], "admission plugin 'Nope' is not known"),
        (
            ["--enable-admission-plugins=ImagePolicyWebhook"],
            "admission plugin ImagePolicyWebhook is not part of Wherry",
        ),
        (
            ["--enable-admission-plugins=PodSecurity", "--disable-admission-plugins=PodSecurity"],
            "PodSecurity in both",
        ),
        (["--enable-admission-plugins=EventRateLimit"], "EventRateLimit: needs a configuration"),
        (["--admission-control-config-file=/nowhere.yaml"], "/nowhere.yaml: No such file"),
    ],
)
async def test_nonsense_is_the_end(tmp_path: Path, flags: list[str], words: str) -> None:
    assert words in await refusal(tmp_path, *flags)


async def test_switching_pod_security_off(make_apiserver: Any) -> None:
    server = make_apiserver("--disable-admission-plugins=PodSecurity,MutatingAdmissionWebhook")
    async with server.client() as client:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        body = {"metadata": {"name": "strict", "labels": labels}}
        (await client.post("/api/v1/namespaces", json=body)).raise_for_status()
        account = {"metadata": {"name": "default"}}
        path = "/api/v1/namespaces/strict"
        (await client.post(f"{path}/serviceaccounts", json=account)).raise_for_status()
        answer = await client.post(f"{path}/pods", json=pod(hostNetwork=True))
        assert answer.status_code == 201


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
async def test_kubectl_certificate_approve(
    client: httpx.AsyncClient, server: ApiServer, tmp_path: Path
) -> None:
    answer = await client.post(
        "/apis/certificates.k8s.io/v1/certificatesigningrequests", json=csr("a.example.com/b")
    )
    name = answer.json()["metadata"]["name"]
    kubectl = Kubectl(server.kubeconfig, tmp_path, "default")
    user = f"u-{uuid.uuid4().hex[:8]}"
    group = "certificates.k8s.io"
    await grant(
        client, user, "",
        rule(group, "certificatesigningrequests", "get"),
        rule(group, "certificatesigningrequests/approval", "update"),
    )  # fmt: skip
    said = kubectl("certificate", "approve", name, f"--as={user}", code=1)
    assert 'user not permitted to approve requests with signerName "a.example.com/b"' in said
    assert "approved" in kubectl("certificate", "approve", name)
