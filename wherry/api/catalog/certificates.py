"""The certificates.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import STATUS_VERBS, Resource, Subresource, gvk, status

MODELS = "wherry.api.certificates_v1"
GROUP = "certificates.k8s.io"
KIND = "CertificateSigningRequest"

RESOURCES = (
    Resource(
        GROUP, "v1", KIND, "certificatesigningrequests", MODELS, namespaced=False,
        short_names=("csr",), fields=("spec.signerName",),
        subresources=(
            Subresource("approval", gvk("certificates.k8s.io/v1", KIND), STATUS_VERBS),
            status("certificates.k8s.io/v1", KIND),
        ),
    ),
)  # fmt: skip
