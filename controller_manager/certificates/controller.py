"""Three controllers over one cache of CertificateSigningRequests: approving, signing, cleaning."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path

from controller_manager.certificates import authority, plan
from controller_manager.certificates.authority import FileAuthority
from controller_manager.certificates.request import BadRequest, Request, read
from controller_manager.certificates.rules import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    LEGACY,
    NODE_PREFIX,
    PROXY_CLIENT,
    addresses_of,
    taken_addresses,
    takeover_refusal,
)
from controller_manager.context import Context, keys_of
from wherry.api.authorization_v1 import (
    ResourceAttributes,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
)
from wherry.api.certificates_v1 import CertificateSigningRequest
from wherry.api.core_v1 import Node
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue
from wherry.daemon.process import StartError

log = logging.getLogger(__name__)

WORKERS = 5
# Flags of single signers: --cluster-signing-<this>-cert-file and -key-file.
FLAGS = {
    CLIENT: "kube-apiserver-client",
    KUBELET_CLIENT: "kubelet-client",
    KUBELET_SERVING: "kubelet-serving",
    LEGACY: "legacy-unknown",
}
OTHERS = (PROXY_CLIENT,)  # signers without flags of their own


def _read(csr: CertificateSigningRequest) -> Request | None:
    """What it asks for. The API server takes none that cannot be read."""
    try:
        return read(csr.spec.request)
    except BadRequest as error:
        log.warning("request %s cannot be read: %s", csr.metadata.name, error)
        return None


class ApprovingController:
    """Approves kubelets' requests: for clients by SubjectAccessReview, for servers by their Node."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("certificate-controller")
        informers = context.informers
        self._requests, self._nodes = informers.certificate_requests, informers.nodes
        self._services, self._endpoints = informers.services, informers.endpoints
        self._queue: WorkQueue[str] = WorkQueue("certificate_approving")
        self._requests.add_handler(self._on_request)
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        await self._context.work(
            "certificate_approving", self._reconcile, self._queue, WORKERS, keys_of(self._requests)
        )

    def _on_request(
        self, before: CertificateSigningRequest | None, after: CertificateSigningRequest | None
    ) -> None:
        if after is not None and plan.is_undecided(after):
            self._queue.add(key_of(after))

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        """A kubelet may ask before its Node says which addresses it has."""
        if after is None or (before is not None and addresses_of(before) == addresses_of(after)):
            return
        for csr in self._requests.list():
            own = csr.spec.username == NODE_PREFIX + after.metadata.name
            if own and csr.spec.signer_name == KUBELET_SERVING and plan.is_undecided(csr):
                self._queue.add(key_of(csr))

    async def _reconcile(self, key: str) -> float | None:
        csr = self._requests.get(*split_key(key))
        if csr is None or not plan.is_undecided(csr):
            return None
        request = _read(csr)
        words = await self._approval(csr, request) if request is not None else ""
        if request is None or not words:
            return None
        now = self._context.clock.now()
        refusal = self._refusal(csr, request)
        if refusal:
            log.warning("%s asks for a node's identity: %s", csr.spec.username, refusal)
            await self._executor.execute(plan.plan_denial(csr, refusal, now).actions)
        else:
            await self._executor.execute(plan.plan_approval(csr, words, now).actions)
        return None

    def _refusal(self, csr: CertificateSigningRequest, request: Request) -> str:
        """Why nobody gets what he may ask for otherwise."""
        if csr.spec.signer_name != KUBELET_CLIENT:
            return ""
        node = self._nodes.get("", request.common_name.removeprefix(NODE_PREFIX))
        return takeover_refusal(request, csr.spec.username, node)

    async def _approval(self, csr: CertificateSigningRequest, request: Request) -> str:
        """The words of its approval; empty when nobody approves it here."""
        if csr.spec.signer_name == KUBELET_SERVING:
            node = self._nodes.get("", csr.spec.username.removeprefix(NODE_PREFIX))
            taken = taken_addresses(node, self._nodes.list(), self._others())
            return plan.SERVING_WORDS if plan.approves_serving(csr, request, node, taken) else ""
        if plan.approves_proxy(csr, request):
            return plan.PROXY_WORDS
        for question in plan.questions(csr, request):
            if await self._allowed(csr, question.subresource):
                return question.words
        return ""

    def _others(self) -> Iterable[str]:
        """Addresses of Services and API servers."""
        for service in self._services.list():
            yield from service.spec.cluster_ips
        found = self._endpoints.get("default", "kubernetes")
        for subset in found.subsets if found is not None else ():
            yield from (one.ip for one in subset.addresses)

    async def _allowed(self, csr: CertificateSigningRequest, subresource: str) -> bool:
        spec = csr.spec
        review = SubjectAccessReview(
            spec=SubjectAccessReviewSpec(
                user=spec.username,
                uid=spec.uid,
                groups=list(spec.groups),
                extra=dict(spec.extra),
                resource_attributes=ResourceAttributes(
                    group="certificates.k8s.io",
                    resource="certificatesigningrequests",
                    verb="create",
                    subresource=subresource,
                    version="*",
                ),
            )
        )
        return (await self._context.client.create(review)).status.allowed


class SigningController:
    """Issues what is approved, with the authority of each signer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("certificate-controller")
        self._authorities = authorities(context.options)
        self._seconds: float = context.options.cluster_signing_duration
        self._requests = context.informers.certificate_requests
        self._queue: WorkQueue[str] = WorkQueue("certificate_signing")
        self._requests.add_handler(self._on_request)

    async def run(self) -> None:
        if not self._authorities:
            log.info("nothing is signed: no --cluster-signing-cert-file")
            return
        await self._context.work(
            "certificate_signing", self._reconcile, self._queue, WORKERS, keys_of(self._requests)
        )

    def _on_request(
        self, before: CertificateSigningRequest | None, after: CertificateSigningRequest | None
    ) -> None:
        if self._authorities and after is not None and plan.is_to_sign(after):
            self._queue.add(key_of(after))

    async def _reconcile(self, key: str) -> float | None:
        csr = self._requests.get(*split_key(key))
        if csr is None or not plan.is_to_sign(csr):
            return None
        signer, request = self._authorities.get(csr.spec.signer_name), _read(csr)
        if signer is None or request is None:
            return None
        now = self._context.clock.now()
        words = plan.refusal(csr, request)
        if words:
            await self._executor.execute(plan.plan_failure(csr, words, now).actions)
            return None
        seconds = plan.granted_seconds(csr.spec.expiration_seconds, self._seconds)
        certificate = signer.sign(csr.spec.request, csr.spec.usages, seconds, now)
        await self._executor.execute(plan.plan_issue(csr, certificate).actions)
        return None


def authorities(options: argparse.Namespace) -> dict[str, FileAuthority]:
    """Signer → its authority. StartError when one's files are unusable."""
    found = {}
    certificate, key = options.cluster_signing_cert_file, options.cluster_signing_key_file
    if certificate and key:
        found = {signer: FileAuthority(Path(certificate), Path(key)) for signer in OTHERS}
    for signer, word in FLAGS.items():
        prefix = f"cluster_signing_{word.replace('-', '_')}"
        certificate = getattr(options, f"{prefix}_cert_file") or options.cluster_signing_cert_file
        key = getattr(options, f"{prefix}_key_file") or options.cluster_signing_key_file
        if not certificate or not key:
            continue
        found[signer] = FileAuthority(Path(certificate), Path(key))
        for path in (certificate, key):
            try:
                with Path(path).open("rb"):
                    continue
            except OSError as error:
                raise StartError(
                    f"cannot read {path}: {error.strerror}", "correct --cluster-signing-*-file"
                ) from error
    return found


class CleaningController:
    """Deletes requests nobody needs to look at any more."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("certificate-controller")
        self._requests = context.informers.certificate_requests
        self._queue: WorkQueue[str] = WorkQueue("certificate_cleaning")
        self._requests.add_handler(self._on_request)

    async def run(self) -> None:
        await self._context.work(
            "certificate_cleaning", self._reconcile, self._queue, 1, keys_of(self._requests)
        )

    def _on_request(
        self, before: CertificateSigningRequest | None, after: CertificateSigningRequest | None
    ) -> None:
        if after is not None:
            self._queue.add(key_of(after))

    async def _reconcile(self, key: str) -> float | None:
        csr = self._requests.get(*split_key(key))
        if csr is None:
            return None
        issued = csr.status.certificate
        expires = authority.expiry(issued) if issued else None
        plan_ = plan.plan_cleaning(csr, expires, self._context.clock.now())
        await self._executor.execute(plan_.actions)
        return plan_.requeue_after
