"""What is done with a CertificateSigningRequest: approved, refused by its signer, cleared. Pure.

Source: pkg/controller/certificates/{approver,signer,cleaner}.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller_manager.certificates.request import Request
from controller_manager.certificates.rules import (
    KUBELET_CLIENT,
    KUBELET_SERVING,
    PROXY_CLIENT,
    SIGNERS,
    is_nodes,
    kubelet_client_problem,
    kubelet_serving_problem,
    proxy_client_problem,
    serving_refusal,
)
from controller_manager.plan import NOTHING, Delete, Plan, Update
from wherry.api.certificates_v1 import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
)
from wherry.api.core_v1 import Node

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
SELF, ANY = "selfnodeclient", "nodeclient"
SELF_WORDS = "Auto approving self kubelet client certificate after SubjectAccessReview."
ANY_WORDS = "Auto approving kubelet client certificate after SubjectAccessReview."
SERVING_WORDS = "Auto approving kubelet serving certificate for the node's own name and addresses."
PROXY_WORDS = "Auto approving the client certificate of a node's proxy."

DECIDED_SECONDS = 3600.0  # how long a decided request stays to be looked at
PENDING_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Question:
    """May the requestor `create` this subresource of certificatesigningrequests?"""

    subresource: str
    words: str


def has(csr: CertificateSigningRequest, kind: str) -> bool:
    return any(one.type == kind and one.status == "True" for one in csr.status.conditions)


def is_undecided(csr: CertificateSigningRequest) -> bool:
    return not csr.status.certificate and not (has(csr, APPROVED) or has(csr, DENIED))


def questions(csr: CertificateSigningRequest, request: Request) -> list[Question]:
    """What the authorizer is asked, in order: one yes approves. None: it is not ours to approve."""
    if not is_undecided(csr) or csr.spec.signer_name != KUBELET_CLIENT:
        return []
    if kubelet_client_problem(request, csr.spec.usages):
        return []
    own = csr.spec.username == request.common_name
    return [*([Question(SELF, SELF_WORDS)] if own else []), Question(ANY, ANY_WORDS)]


def approves_serving(
    csr: CertificateSigningRequest, request: Request, node: Node | None, taken: Collection[str]
) -> bool:
    """Whether this is a node that asks for its own name and addresses."""
    return (
        is_undecided(csr)
        and csr.spec.signer_name == KUBELET_SERVING
        and not kubelet_serving_problem(request, csr.spec.usages)
        and not serving_refusal(request, csr.spec.username, node, taken)
    )


def approves_proxy(csr: CertificateSigningRequest, request: Request) -> bool:
    """Whether this is a node that asks for its proxy."""
    return (
        is_undecided(csr)
        and csr.spec.signer_name == PROXY_CLIENT
        and not proxy_client_problem(request, csr.spec.usages)
        and is_nodes(csr.spec.username, csr.spec.groups)
    )


def with_condition(
    csr: CertificateSigningRequest, kind: str, reason: str, words: str, now: datetime
) -> CertificateSigningRequest:
    condition = CertificateSigningRequestCondition(
        type=kind, status="True", reason=reason, message=words, last_update_time=now
    )
    conditions = [*csr.status.conditions, condition]
    return csr.with_(status=csr.status.with_(conditions=conditions))


def plan_approval(csr: CertificateSigningRequest, words: str, now: datetime) -> Plan:
    approved = with_condition(csr, APPROVED, "AutoApproved", words, now)
    return Plan((Update(approved, "approval"),))


def plan_denial(csr: CertificateSigningRequest, words: str, now: datetime) -> Plan:
    denied = with_condition(csr, DENIED, "NodeIsAlive", words, now)
    return Plan((Update(denied, "approval"),))


def is_to_sign(csr: CertificateSigningRequest) -> bool:
    """Approved, not issued, not failed, and for one of our signers."""
    waiting = has(csr, APPROVED) and not has(csr, FAILED) and not csr.status.certificate
    return waiting and csr.spec.signer_name in SIGNERS


def refusal(csr: CertificateSigningRequest, request: Request) -> str:
    """Why its signer does not sign it; empty when it does."""
    return SIGNERS[csr.spec.signer_name](request, csr.spec.usages)


def plan_failure(csr: CertificateSigningRequest, words: str, now: datetime) -> Plan:
    failed = with_condition(csr, FAILED, "SignerValidationFailure", words, now)
    return Plan((Update(failed, "status"),))


def plan_issue(csr: CertificateSigningRequest, certificate: bytes) -> Plan:
    return Plan((Update(csr.with_(status=csr.status.with_(certificate=certificate)), "status"),))


def granted_seconds(asked: int | None, most: float) -> float:
    """How long a certificate is good for: what is asked, from ten minutes to what the signer gives."""
    return most if asked is None else min(most, max(600.0, asked))


def plan_cleaning(csr: CertificateSigningRequest, expires: datetime | None, now: datetime) -> Plan:
    """Delete what has been decided for an hour, pending for a day, or whose certificate is over.

    expires: when the issued certificate ends; None when there is none
    """
    since = {one.type: one.last_update_time for one in csr.status.conditions}
    dues = [
        at + timedelta(seconds=DECIDED_SECONDS)
        for kind, at in since.items()
        if kind in (APPROVED, DENIED, FAILED) and at is not None
    ]
    if not csr.status.conditions and csr.metadata.creation_timestamp is not None:
        dues.append(csr.metadata.creation_timestamp + timedelta(seconds=PENDING_SECONDS))
    if expires is not None:
        dues.append(expires)
    if not dues:
        return NOTHING
    left = (min(dues) - now).total_seconds()
    if left > 0:
        return Plan(requeue_after=left)
    metadata = csr.metadata
    return Plan((Delete(CertificateSigningRequest, "", metadata.name, metadata.uid),))
