"""CertificateApproval, CertificateSigning: who may approve and sign requests of which signer.

Rights on the resource `approval` are not enough: the user must be allowed `approve` (or `sign`) on the
signer by its name, or on its whole domain by `DOMAIN/*`.

Source: plugin/pkg/admission/certificates/{approval,signing}, pkg/certauthorization.
"""

from __future__ import annotations

from typing import Final

from apiserver.admission.attributes import CERTIFICATE_REQUESTS, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.authz.authorizer import Attributes as Asked
from apiserver.authz.authorizer import Authorizer
from apiserver.request import User
from wherry.api.errors import go_quote

SIGNERS: Final = "signers"
_SIGNED: Final = ("certificate", "conditions")  # what only a signer writes of a status


def may(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    """Whether a user may do this with requests of this signer."""
    domain = signer.partition("/")[0]
    group = CERTIFICATE_REQUESTS.group
    return any(
        authorizer.authorize(Asked(user, verb, "", group, "*", SIGNERS, "", name)).allowed
        for name in (signer, f"{domain}/*")
    )


class _OfSigners(Plugin):
    about = frozenset({CERTIFICATE_REQUESTS})

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def _check(self, attributes: Attributes, verb: str) -> None:
        """Asks about the stored object's signer: who changes it gains nothing."""
        signer = (attributes.old or {}).get("spec", {}).get("signerName", "")
        if not may(self._authorizer, attributes.user, verb, signer):
            why = f"user not permitted to {verb} requests with signerName {go_quote(signer)}"
            raise refuse(attributes, why)


class CertificateApproval(_OfSigners):
    name = "CertificateApproval"

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.operation == "UPDATE" and attributes.subresource == "approval":
            self._check(attributes, "approve")


class CertificateSigning(_OfSigners):
    name = "CertificateSigning"

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.operation != "UPDATE" or attributes.subresource != "status":
            return
        new, old = ((tree or {}).get("status") or {} for tree in (attributes.tree, attributes.old))
        if any((new.get(field) or None) != (old.get(field) or None) for field in _SIGNED):
            self._check(attributes, "sign")
