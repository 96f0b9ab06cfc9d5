"""Plug-ins that ask the authorizer: certificates' signers, owners of objects."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.attributes import CERTIFICATE_REQUESTS, PODS
from apiserver.admission.certificate_signers import CertificateApproval, CertificateSigning
from apiserver.admission.owner_references import OwnerReferencesPermissionEnforcement
from tests.unit.apiserver.admission.objects import Objects, Rights, Tree, write
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL

SIGNER = "example.com/internal"
MAPS = BY_PLURAL["", "v1", "configmaps"]


def csr(signer: str = SIGNER, **status: Any) -> Tree:
    return {"metadata": {"name": "r"}, "spec": {"signerName": signer}, "status": status}


def message(act: Any) -> str:
    """Why something is refused; "" when it is not."""
    try:
        act()
    except ApiError as error:
        return error.message.partition("is forbidden: ")[2]
    return ""


class TestCertificateApproval:
    def approve(self, rights: Rights, **more: Any) -> str:
        new = csr("kubernetes.io/other", conditions=[{"type": "Approved"}])
        attributes = write(
            "UPDATE", CERTIFICATE_REQUESTS, new, csr(), **{"subresource": "approval", **more}
        )
        return message(lambda: CertificateApproval(rights).validate(attributes, Objects()))

    def test_needs_approve_on_the_stored_signer(self) -> None:
        rights = Rights()
        why = f'user not permitted to approve requests with signerName "{SIGNER}"'
        assert self.approve(rights) == why
        assert [(one.verb, one.group, one.resource, one.name) for one in rights.asked] == [
            ("approve", "certificates.k8s.io", "signers", SIGNER),
            ("approve", "certificates.k8s.io", "signers", "example.com/*"),
        ]

    @pytest.mark.parametrize("name", [SIGNER, "example.com/*"])
    def test_by_name_or_domain(self, name: str) -> None:
        assert self.approve(Rights(("approve", "signers", "", name))) == ""

    @pytest.mark.parametrize("name", ["kubernetes.io/other", "kubernetes.io/*", "*"])
    def test_other_signers_are_no_help(self, name: str) -> None:
        assert self.approve(Rights(("approve", "signers", "", name))) != ""

    def test_signing_is_not_approving(self) -> None:
        assert self.approve(Rights(("sign", "signers", "", SIGNER))) != ""

    @pytest.mark.parametrize("part", ["", "status"])
    def test_other_writes(self, part: str) -> None:
        assert self.approve(Rights(), subresource=part) == ""


class TestCertificateSigning:
    def sign(self, rights: Rights, new: Tree, part: str = "status") -> str:
        attributes = write("UPDATE", CERTIFICATE_REQUESTS, new, csr(), subresource=part)
        return message(lambda: CertificateSigning(rights).validate(attributes, Objects()))

    @pytest.mark.parametrize(
        "status", [{"certificate": "eA=="}, {"conditions": [{"type": "Failed"}]}]
    )
    def test_needs_sign(self, status: Tree) -> None:
        why = f'user not permitted to sign requests with signerName "{SIGNER}"'
        assert self.sign(Rights(), csr(**status)) == why
        assert self.sign(Rights(("sign", "signers", "", "example.com/*")), csr(**status)) == ""

    def test_a_status_that_stays(self) -> None:
        assert self.sign(Rights(), csr(conditions=[])) == ""
        assert self.sign(Rights(), csr(certificate="eA=="), "") == ""


def owned(*owners: Tree) -> Tree:
    return {"metadata": {"name": "m", "ownerReferences": list(owners)}}


def owner(kind: str = "ReplicaSet", version: str = "apps/v1", **more: Any) -> Tree:
    return {"apiVersion": version, "kind": kind, "name": "o", "uid": "1", **more}


BLOCKING = owner(blockOwnerDeletion=True)
FINALIZE = ("update", "replicasets", "finalizers", "o")
DELETE = ("delete", "configmaps", "", "m")


class TestOwnerReferences:
    def ask(self, rights: Rights, new: Tree, old: Tree | None = None, **more: Any) -> str:
        attributes = write("UPDATE" if old else "CREATE", more.pop("of", MAPS), new, old, **more)
        plugin = OwnerReferencesPermissionEnforcement(rights)
        return message(lambda: plugin.validate(attributes, Objects()))

    def test_without_a_change_nobody_is_asked(self) -> None:
        rights = Rights()
        assert self.ask(rights, owned()) == ""
        assert self.ask(rights, owned(BLOCKING), owned(BLOCKING)) == ""
        assert rights.asked == []

    def test_a_change_needs_the_right_to_delete(self) -> None:
        why = "cannot set an ownerRef on a resource you can't delete: , <nil>"
        assert self.ask(Rights(), owned(owner()), owned()) == why
        assert self.ask(Rights(), owned(), owned(owner())) == why
        assert self.ask(Rights(DELETE), owned(owner()), owned()) == ""

    def test_a_creation_does_not(self) -> None:
        assert self.ask(Rights(), owned(owner())) == ""

    def test_blocking_needs_the_owners_finalizers(self) -> None:
        why = (
            "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set "
            "finalizers on: , <nil>"
        )
        rights = Rights(DELETE)
        assert self.ask(rights, owned(BLOCKING)) == why
        asked = rights.asked[-1]
        assert (asked.group, asked.version, asked.namespace) == ("apps", "v1", "ns")
        assert self.ask(rights, owned(BLOCKING), owned(owner())) == why
        assert self.ask(Rights(FINALIZE), owned(BLOCKING)) == ""
        assert self.ask(Rights(DELETE, FINALIZE), owned(BLOCKING), owned()) == ""

    def test_who_may_finalize_anything(self) -> None:
        assert self.ask(Rights(("update", "*", "finalizers", "*")), owned(BLOCKING)) == ""

    def test_an_owner_without_a_namespace(self) -> None:
        rights = Rights(("update", "nodes", "finalizers", "o"))
        assert self.ask(rights, owned(owner("Node", "v1", blockOwnerDeletion=True))) == ""
        assert rights.asked[-1].namespace == ""

    def test_a_kind_that_is_not_there(self) -> None:
        why = self.ask(Rights(), owned(owner("Widget", "x.io/v1", blockOwnerDeletion=True)))
        assert why == (
            "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
            'APIVersion x.io/v1 Kind Widget: no matches for kind "Widget" in version "x.io/v1"'
        )

    def test_the_status_of_pods(self) -> None:
        new, old = owned(BLOCKING), owned()
        assert self.ask(Rights(), new, old, of=PODS, subresource="status") == ""
        assert self.ask(Rights(), new, old, of=PODS) != ""
