"""Certificates by CertificateSigningRequest: for a machine that has no authority's key.

Source: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.discovery import reason
from deploy.pki import PEM, Subject, key_pem, subject_name
from deploy.preflight import Problem

PATH: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
PROXY_CLIENT: Final = "wherry.io/kube-proxy-client"
ISSUE_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


def request_pem(subject: Subject, key: ec.EllipticCurvePrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject_name(subject))
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM)


def obtain(client: httpx.Client, signer: str, subject: Subject) -> Pair:
    """Ask for a client certificate and wait for it; Problem naming why there is none."""
    key = ec.generate_private_key(ec.SECP256R1())
    tree = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "csr-"},
        "spec": {
            "request": base64.b64encode(request_pem(subject, key)).decode(),
            "signerName": signer,
            "usages": ["digital signature", "client auth"],
        },
    }
    deadline = time.monotonic() + ISSUE_SECONDS_MAX
    try:
        made = client.post(PATH, json=tree).raise_for_status().json()
        while True:
            certificate = _issued(made)
            if certificate:
                return Pair(certificate, key_pem(key))
            if time.monotonic() > deadline:
                name = made["metadata"]["name"]
                raise Problem(
                    f"nobody approved {name} for {subject.common_name} in {ISSUE_SECONDS_MAX:.0f} s",
                    "does the controller manager run? wherry get csr",
                )
            time.sleep(POLL_SECONDS)  # another process's work; bounded by the deadline
            made = client.get(f"{PATH}/{made['metadata']['name']}").raise_for_status().json()
    except httpx.HTTPError as error:
        raise Problem(
            f"no certificate for {subject.common_name}: {reason(error)}", "wherry get csr"
        ) from error


def _issued(tree: dict[str, Any]) -> bytes:
    """The certificate in a request, b"" while there is none. Problem when it was refused."""
    status = tree.get("status") or {}
    for one in status.get("conditions") or ():
        if one["type"] in ("Denied", "Failed") and one["status"] == "True":
            raise Problem(one.get("message") or "the request was denied", "wherry get csr")
    return base64.b64decode(status.get("certificate") or "")
