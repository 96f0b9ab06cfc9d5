"""Kinds with more than one writer or more than one version, on a real server."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CORE = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


@pytest.fixture
async def client(shared_apiserver: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with shared_apiserver.client() as found:
        yield found


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def new_event(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "p"},
        "reportingController": "example.com/c",
        "reportingInstance": "c-1",
        "action": "Did",
        "reason": "Because",
        "type": "Normal",
        "note": "n",
        **fields,
    }


async def test_one_event_in_two_versions(client: httpx.AsyncClient) -> None:
    name = unique("e")
    made = await client.post(NEW, json=new_event(name))
    assert made.status_code == 201, made.text
    assert made.json()["apiVersion"] == "events.k8s.io/v1"
    assert made.json()["note"] == "n"
    core = (await client.get(f"{CORE}/{name}")).json()
    assert core["apiVersion"] == "v1"
    assert core["message"] == "n"
    assert core["involvedObject"]["name"] == "p"
    version = core["metadata"]["resourceVersion"]
    assert made.json()["metadata"]["resourceVersion"] == version
    query = {"fieldSelector": f"regarding.kind=Pod,metadata.name={name}"}
    listed = (await client.get(NEW, params=query)).json()
    assert listed["kind"] == "EventList"
    assert [one["note"] for one in listed["items"]] == ["n"]
    assert "apiVersion" not in listed["items"][0]
    watched: dict[str, Any] = {}
    query = {"watch": "true", "fieldSelector": f"metadata.name={name}"}
    async with client.stream("GET", NEW, params=query) as stream:
        async for line in stream.aiter_lines():
            watched = json.loads(line)
            break
    assert watched["object"]["regarding"]["name"] == "p"
    assert watched["object"]["apiVersion"] == "events.k8s.io/v1"


async def test_a_series_is_patched_and_nothing_else(client: httpx.AsyncClient) -> None:
    name = unique("e")
    assert (await client.post(NEW, json=new_event(name))).status_code == 201
    merge = {"Content-Type": "application/merge-patch+json"}
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}
    patched = await client.patch(f"{NEW}/{name}", json={"series": series}, headers=merge)
    assert patched.status_code == 200, patched.text
    assert patched.json()["series"]["count"] == 2
    refused = await client.patch(f"{NEW}/{name}", json={"note": "other"}, headers=merge)
    assert refused.status_code == 422
    assert refused.json()["message"].startswith(f'Event.events.k8s.io "{name}" is invalid: message')
    strict = await client.post(NEW, json=new_event(unique("e"), eventTime=None))
    assert strict.status_code == 422
    missing = await client.get(f"{NEW}/none")
    assert missing.json()["message"] == 'events.events.k8s.io "none" not found'


async def test_rows_of_both_versions_are_alike(client: httpx.AsyncClient) -> None:
    name = unique("e")
    assert (await client.post(NEW, json=new_event(name))).status_code == 201
    query = {"fieldSelector": f"metadata.name={name}", "includeObject": "Object"}
    rows = [
        (await client.get(path, params=query, headers=TABLE)).json()["rows"] for path in (CORE, NEW)
    ]
    assert rows[0][0]["cells"][1:] == rows[1][0]["cells"][1:]
    assert [row[0]["object"]["apiVersion"] for row in rows] == ["v1", "events.k8s.io/v1"]


async def test_a_certificate_is_asked_for_approved_and_issued(client: httpx.AsyncClient) -> None:
    name = unique("csr")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ann")])
    pem = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": "example.com/x",
            "usages": ["client auth"],
            "username": "somebody else",
        },
    }
    made = await client.post(REQUESTS, json=body)
    assert made.status_code == 201, made.text
    tree = made.json()
    assert tree["spec"]["username"] == "admin"
    assert "system:masters" in tree["spec"]["groups"]
    tree["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "R"}]}
    by_status = await client.put(f"{REQUESTS}/{name}/status", json=tree)
    assert by_status.status_code == 422
    approved = await client.put(f"{REQUESTS}/{name}/approval", json=tree)
    assert approved.status_code == 200, approved.text
    condition = approved.json()["status"]["conditions"][0]
    assert condition["lastUpdateTime"]
    assert condition["lastTransitionTime"]
    row = (await client.get(f"{REQUESTS}/{name}", headers=TABLE)).json()["rows"][0]
    assert row["cells"][2:] == ["example.com/x", "admin", "<none>", "Approved"]
    query = {"fieldSelector": "spec.signerName=example.com/x"}
    listed = (await client.get(REQUESTS, params=query)).json()["items"]
    assert name in [one["metadata"]["name"] for one in listed]


async def test_claims_get_the_default_class_and_protection(client: httpx.AsyncClient) -> None:
    classes = "/apis/storage.k8s.io/v1/storageclasses"
    name = unique("class")
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": marked},
        "provisioner": "example.com/p",
    }
    assert (await client.post(classes, json=body)).status_code == 201
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": unique("c")},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    path = "/api/v1/namespaces/default/persistentvolumeclaims"
    made = await client.post(path, json=claim)
    assert made.status_code == 201, made.text
    assert made.json()["spec"]["storageClassName"] == name
    assert made.json()["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    deleted = await client.delete(f"{path}/{claim['metadata']['name']}")
    assert deleted.json()["metadata"]["deletionTimestamp"]
    assert (await client.delete(f"{classes}/{name}")).status_code == 200


async def test_the_default_networks_of_services(client: httpx.AsyncClient) -> None:
    found = (await client.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes")).json()
    assert found["spec"]["cidrs"] == ["10.96.0.0/16"]
    (ready,) = found["status"]["conditions"]
    assert (ready["type"], ready["status"]) == ("Ready", "True")


async def test_component_statuses(client: httpx.AsyncClient) -> None:
    path = "/api/v1/componentstatuses"
    listed = await client.get(path)
    assert listed.json()["kind"] == "ComponentStatusList"
    assert "deprecated" in listed.headers["warning"]
    names = [one["metadata"]["name"] for one in listed.json()["items"]]
    assert names == ["scheduler", "controller-manager", "etcd-0"]
    etcd = (await client.get(f"{path}/etcd-0")).json()
    assert etcd["kind"] == "ComponentStatus"
    assert etcd["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
    table = (await client.get(path, headers=TABLE)).json()
    assert table["rows"][2]["cells"] == ["etcd-0", "Healthy", "ok", ""]
    assert (await client.get(f"{path}/none")).status_code == 404
    assert (await client.post(path, json={})).status_code == 405
