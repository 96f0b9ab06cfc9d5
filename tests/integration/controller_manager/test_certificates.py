"""Certificate requests through a real API server with RBAC and a real controller manager."""

from __future__ import annotations

import base64
import ipaddress
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.pki import ensure_authority
from tests.integration.conftest import ApiServer, running_apiserver, running_etcd
from tests.integration.controller_manager.conftest import Manager, until
from wherry.api.certificates_v1 import CertificateSigningRequest
from wherry.client.kubeconfig import load
from wherry.client.rest import Client

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
BOOTSTRAP = ("system:bootstrap:abcdef", "system:bootstrappers:kubeadm:default-node-token")
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def signing() -> Iterator[ApiServer]:
    """RBAC, and a controller manager that signs."""
    with tempfile.TemporaryDirectory() as name, running_etcd() as etcd:
        folder = Path(name)
        ensure_authority(folder)
        flags = ("--authorization-mode=Node,RBAC", f"--client-ca-file={folder}/ca.crt")
        with running_apiserver(etcd, *flags) as server:
            manager = Manager(
                server, folder, "--leader-elect=false",
                f"--cluster-signing-cert-file={folder}/ca.crt",
                f"--cluster-signing-key-file={folder}/ca.key",
                "--cluster-signing-duration=1h",
            )  # fmt: skip
            try:
                yield server
            finally:
                manager.stop()
                log = manager.log
            assert "Traceback" not in log, log[-6000:]


@pytest.fixture
async def admin(signing: ApiServer) -> Any:
    async with Client(load(signing.kubeconfig)) as client:
        yield client


def request(common_name: str, *groups: str, names: tuple[x509.GeneralName, ...] = ()) -> bytes:
    parts = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, one) for one in groups]
    subject = x509.Name([*parts, x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


async def ask(
    signing: ApiServer, who: tuple[str, ...], name: str, pem: bytes, signer: str, *usages: str,
    **spec: Any,
) -> None:  # fmt: skip
    """Create a request in somebody's name."""
    headers = [("Impersonate-User", who[0]), *(("Impersonate-Group", one) for one in who[1:])]
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem).decode(), "signerName": signer,
            "usages": list(usages), **spec,
        },
    }  # fmt: skip
    async with signing.client() as client:
        answer = await client.post(PATH, json=body, headers=headers)
        assert answer.status_code == 201, answer.text


async def bind(admin: Client, name: str, role: str, kind: str, subject: str) -> None:
    tree = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": subject}],
    }
    await admin.request("POST", f"/apis/{RBAC}/v1/clusterrolebindings", body=tree)


async def condition(admin: Client, name: str) -> dict[str, Any]:
    csr = await admin.get(CertificateSigningRequest, name)
    return {one.type: one for one in csr.status.conditions}


async def issued(admin: Client, name: str) -> x509.Certificate:
    async def certificate() -> bytes:
        return (await admin.get(CertificateSigningRequest, name)).status.certificate

    return x509.load_pem_x509_certificate(await until(certificate))


async def approve(admin: Client, name: str) -> None:
    said = {"type": "Approved", "status": "True", "reason": "Test", "message": "by hand"}
    patch = {"status": {"conditions": [said]}}
    await admin.patch(CertificateSigningRequest, name, "", patch, subresource="approval")


NODE_USAGES = ("digital signature", "client auth")


async def test_a_bootstrapper_gets_a_nodes_certificate_once_it_may(
    signing: ApiServer, admin: Client
) -> None:
    role = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
    await bind(admin, "may-create", "system:node-bootstrapper", "Group", BOOTSTRAP[1])
    pem = request("system:node:n1", "system:nodes")
    await ask(signing, BOOTSTRAP, "early", pem, KUBELET_CLIENT, *NODE_USAGES)
    await ask(signing, BOOTSTRAP, "odd", request("admin", "system:masters"), KUBELET_CLIENT,
              *NODE_USAGES)  # fmt: skip
    await bind(admin, "may-join", role, "Group", BOOTSTRAP[1])

    async def asked_anew() -> bool:
        number = len((await admin.list(CertificateSigningRequest)).items)
        await ask(signing, BOOTSTRAP, f"n1-{number}", pem, KUBELET_CLIENT, *NODE_USAGES)
        return bool((await condition(admin, f"n1-{number}")).get("Approved"))

    await until(asked_anew)
    name = next(
        one.metadata.name
        for one in (await admin.list(CertificateSigningRequest)).items
        if one.status.conditions
    )
    assert (await condition(admin, name))["Approved"].message == (
        "Auto approving kubelet client certificate after SubjectAccessReview."
    )
    made = await issued(admin, name)
    assert made.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
    assert await condition(admin, "odd") == {}


async def test_a_node_renews_its_own_and_nobody_elses(signing: ApiServer, admin: Client) -> None:
    role = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"
    await bind(admin, "may-renew", role, "Group", "system:nodes")
    me = ("system:node:n2", "system:nodes")
    other = request("system:node:other", "system:nodes")
    await ask(signing, me, "n2-other", other, KUBELET_CLIENT, *NODE_USAGES)

    async def renewed() -> bool:
        number = len((await admin.list(CertificateSigningRequest)).items)
        pem = request("system:node:n2", "system:nodes")
        await ask(signing, me, f"n2-{number}", pem, KUBELET_CLIENT, *NODE_USAGES)
        return "Approved" in await condition(admin, f"n2-{number}")

    await until(renewed)
    assert await condition(admin, "n2-other") == {}


async def test_a_node_serves_under_its_own_addresses(signing: ApiServer, admin: Client) -> None:
    me = ("system:node:n3", "system:nodes")

    def names(address: str) -> tuple[x509.GeneralName, ...]:
        return (x509.DNSName("n3"), x509.IPAddress(ipaddress.ip_address(address)))

    serving = ("digital signature", "server auth")
    mine = request(*me, names=names("10.9.0.3"))
    api = request(*me, names=names("10.96.0.1"))
    await ask(signing, me, "n3-mine", mine, KUBELET_SERVING, *serving, expirationSeconds=1200)
    await ask(signing, me, "n3-service", api, KUBELET_SERVING, *serving)
    status = {"addresses": [{"type": "InternalIP", "address": "10.9.0.3"},
                            {"type": "InternalIP", "address": "10.96.0.1"}]}  # fmt: skip
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n3"}, "status": status}
    await admin.request("POST", "/api/v1/nodes", body=node)
    made = await issued(admin, "n3-mine")
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(seconds=1500)
    assert await condition(admin, "n3-service") == {}


async def test_a_node_gets_its_proxys_certificate_by_a_signer_of_ours(
    signing: ApiServer, admin: Client
) -> None:
    me, signer = ("system:node:n4", "system:nodes"), "wherry.io/kube-proxy-client"
    await bind(admin, "all-ask", "system:node-bootstrapper", "Group", "system:authenticated")
    pem = request("system:kube-proxy")
    await ask(signing, me, "n4-more", request("system:kube-scheduler"), signer, *NODE_USAGES)
    await ask(signing, BOOTSTRAP, "token-proxy", pem, signer, *NODE_USAGES)
    await ask(signing, me, "n4-proxy", pem, signer, *NODE_USAGES)
    made = await issued(admin, "n4-proxy")
    assert made.subject.rfc4514_string() == "CN=system:kube-proxy"
    for name in ("n4-more", "token-proxy"):
        assert await condition(admin, name) == {}
    await approve(admin, "n4-more")  # a person's mistake: its signer does not sign it

    async def failed() -> Any:
        return (await condition(admin, "n4-more")).get("Failed")

    assert (await until(failed)).message == "subject is not system:kube-proxy alone"


async def test_a_token_does_not_take_over_a_node_that_is_alive(
    signing: ApiServer, admin: Client
) -> None:
    role = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
    await bind(admin, "takers-create", "system:node-bootstrapper", "Group", "takers")
    await bind(admin, "takers-join", role, "Group", "takers")
    ready = {"type": "Ready", "status": "True"}
    body = {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n5"},
        "status": {"conditions": [ready]},
    }  # fmt: skip
    await admin.request("POST", "/api/v1/nodes", body=body)
    pem = request("system:node:n5", "system:nodes")

    async def decided() -> Any:
        number = len((await admin.list(CertificateSigningRequest)).items)
        await ask(signing, ("t", "takers"), f"n5-{number}", pem, KUBELET_CLIENT, *NODE_USAGES)
        return await condition(admin, f"n5-{number}")

    found = await until(decided)
    assert (found["Denied"].reason, found["Denied"].message) == (
        "NodeIsAlive", "node n5 is there and Ready",
    )  # fmt: skip


async def test_a_person_is_approved_by_a_person_and_gets_in(
    signing: ApiServer, admin: Client
) -> None:
    jane = ("jane", "devs")
    await bind(admin, "devs-ask", "system:node-bootstrapper", "Group", "devs")
    await ask(signing, jane, "jane", request("jane", "devs"), CLIENT, *NODE_USAGES)
    await ask(signing, jane, "wrong", request("jane"), CLIENT, "server auth")
    for name in ("jane", "wrong"):
        await approve(admin, name)
    made = await issued(admin, "jane")
    assert made.subject.rfc4514_string() == "CN=jane,O=devs"

    async def failed() -> Any:
        return (await condition(admin, "wrong")).get("Failed")

    said = await until(failed)
    assert (said.reason, said.message) == (
        "SignerValidationFailure", "invalid usage for client certificate: server auth",
    )  # fmt: skip
