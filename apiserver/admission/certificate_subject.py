"""CertificateSubjectRestriction: no client certificate makes its holder a master.

Source: kubernetes/plugin/pkg/admission/certificates/subjectrestriction.
"""

from __future__ import annotations

import base64

from apiserver.admission.attributes import CERTIFICATE_REQUESTS, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.registry.certificates.pem import organizations

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
MASTERS = "system:masters"


class CertificateSubjectRestriction(Plugin):
    name = "CertificateSubjectRestriction"
    about = frozenset({CERTIFICATE_REQUESTS})

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        """Runs after the request was found sound."""
        tree = attributes.tree
        if tree is None or not is_main(attributes, CERTIFICATE_REQUESTS, "CREATE"):
            return
        spec = tree["spec"]
        if spec["signerName"] != CLIENT_SIGNER:
            return
        if MASTERS in organizations(base64.b64decode(spec["request"])):
            why = f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
            raise refuse(attributes, why)
