"""CertificateSigningRequests: sound requests, who asks, who decides, who issues."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.registry.certificates.pem import certificate_problem, organizations, request_problem
from apiserver.registry.strategies import STRATEGIES
from apiserver.registry.validation.certificate_request import signer_name
from wherry.api.certificates_v1 import CertificateSigningRequest
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name(
    [
        x509.NameAttribute(x509.NameOID.COMMON_NAME, "ann"),
        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "system:masters"),
    ]
)
PEM = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(NAME)
    .sign(KEY, hashes.SHA256())
    .public_bytes(serialization.Encoding.PEM)
)
CERTIFICATE = (
    x509.CertificateBuilder()
    .subject_name(NAME)
    .issuer_name(NAME)
    .public_key(KEY.public_key())
    .serial_number(1)
    .not_valid_before(NOW)
    .not_valid_after(NOW + timedelta(days=1))
    .sign(KEY, hashes.SHA256())
    .public_bytes(serialization.Encoding.PEM)
)
SPEC: Tree = {
    "request": base64.b64encode(PEM).decode(),
    "signerName": "example.com/x",
    "usages": ["client auth"],
}
ISSUED = base64.b64encode(CERTIFICATE).decode()
APPROVED: Tree = {"type": "Approved", "status": "True", "reason": "R"}


def tampered() -> bytes:
    """A request whose signature is that of another."""
    raw = bytearray(base64.b64decode(b"".join(PEM.splitlines()[1:-1])))
    raw[-1] ^= 1
    body = base64.encodebytes(bytes(raw))
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n"


class TestPem:
    @pytest.mark.parametrize(
        ("data", "part"),
        [
            (PEM, ""),
            (b"text before\n" + PEM, ""),
            (b"not PEM", "PEM block type must be CERTIFICATE REQUEST"),
            (CERTIFICATE, "PEM block type must be CERTIFICATE REQUEST"),
            (PEM.replace(b"MI", b"AA", 1), "x509: "),
            (tampered(), "x509: "),
        ],
    )
    def test_requests(self, data: bytes, part: str) -> None:
        problem = request_problem(data)
        assert part in problem
        assert bool(problem) == bool(part)

    def test_groups_asked_for(self) -> None:
        assert organizations(PEM) == ["system:masters"]
        assert organizations(b"") == []

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"", ""),
            (CERTIFICATE + CERTIFICATE, ""),
            (b"x", "must contain at least one CERTIFICATE PEM block"),
            (PEM, 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'),
            (
                CERTIFICATE.replace(b"-----\n", b"-----\nA: b\n\n", 1),
                "no PEM block headers are permitted",
            ),
        ],
    )
    def test_certificates(self, data: bytes, problem: str) -> None:
        assert certificate_problem(data) == problem


class TestRequest:
    def test_the_server_knows_who_asks(self, build: Any) -> None:
        body = {"spec": {**SPEC, "username": "root", "groups": ["system:masters"]}}
        spec = build(CertificateSigningRequest, body)["spec"]
        assert spec["username"] == "ann"
        assert spec["uid"] == "u1"
        assert spec["groups"] == ["g1", "g2"]
        assert spec["extra"] == {"k": ["v"]}

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            ({}, []),
            ({"usages": []}, ["spec.usages"]),
            ({"usages": ["signing", "signing"]}, ["spec.usages[1]"]),
            ({"usages": ["flying"]}, ["spec.usages[0]"]),
            ({"expirationSeconds": 599}, ["spec.expirationSeconds"]),
            ({"signerName": "kubernetes.io/legacy-unknown"}, ["spec.signerName"]),
            ({"signerName": "nodots/x"}, ["spec.signerName"]),
            ({"request": "eA=="}, ["spec.request"]),
        ],
    )
    def test_refusals(self, said: Say, change: Tree, fields: list[str]) -> None:
        found = said(CertificateSigningRequest, {"spec": {**SPEC, **change}})
        assert [error.partition(":")[0] for error in found] == fields

    @pytest.mark.parametrize(
        ("name", "count"),
        [("a.io/b", 0), ("", 1), ("a.io", 1), ("a.io/b/c", 1), ("a_.io/b", 1), ("a.io/_", 1)],
    )
    def test_signers(self, name: str, count: int) -> None:
        assert len(signer_name(name, "f")) == count


class TestChange:
    def changed(self, said_of_change: Say, part: str, status: Tree, old: Tree) -> list[str]:
        return said_of_change(
            CertificateSigningRequest,
            {"spec": SPEC},
            lambda tree: tree.update(status=status),
            part,
            before=lambda tree: tree.update(status=old),
        )

    def test_approval(self, said_of_change: Say) -> None:
        assert self.changed(said_of_change, "approval", {"conditions": [APPROVED]}, {}) == []

    def test_both_ways(self, said_of_change: Say) -> None:
        both = {"conditions": [APPROVED, {**APPROVED, "type": "Denied"}]}
        (error,) = self.changed(said_of_change, "approval", both, {})
        assert error.endswith("Approved and Denied conditions are mutually exclusive")

    def test_a_decision_is_final(self, said_of_change: Say) -> None:
        errors = self.changed(said_of_change, "approval", {}, {"conditions": [APPROVED]})
        assert errors == [
            'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
        ]

    def test_a_signer_does_not_approve(self, said_of_change: Say) -> None:
        errors = self.changed(said_of_change, "status", {"conditions": [APPROVED]}, {})
        assert errors == [
            'status.conditions: Forbidden: updates may not add a condition of type "Approved"'
        ]

    def test_a_signer_issues_once(self, said_of_change: Say) -> None:
        issued = {"certificate": ISSUED, "conditions": [APPROVED]}
        assert self.changed(said_of_change, "status", issued, {"conditions": [APPROVED]}) == []
        again = {**issued, "certificate": base64.b64encode(CERTIFICATE * 2).decode()}
        errors = self.changed(said_of_change, "status", again, issued)
        assert errors == [
            "status.certificate: Forbidden: updates may not modify existing certificate content"
        ]

    def test_a_signer_that_knows_of_no_decision_keeps_it(self, build: Any) -> None:
        strategy = STRATEGIES[resource_of(CertificateSigningRequest)]
        old = build(CertificateSigningRequest, {"spec": SPEC})
        old["status"] = {"conditions": [APPROVED]}
        new = {**old, "status": {"certificate": ISSUED}}
        strategy.prepare_for_status_update(new, old)
        assert new["status"]["conditions"] == [APPROVED]

    def test_an_approver_changes_conditions_only(self, build: Any, ctx: Any) -> None:
        strategy = STRATEGIES[resource_of(CertificateSigningRequest)]
        old = build(CertificateSigningRequest, {"spec": SPEC})
        new = {**old, "spec": {}, "status": {"certificate": "x", "conditions": [dict(APPROVED)]}}
        strategy.prepare_for_part("approval", new, old)
        strategy.stamp(new, old, ctx)
        assert new["spec"] == old["spec"]
        at = "2026-01-01T01:00:00Z"
        stamped = {**APPROVED, "lastUpdateTime": at, "lastTransitionTime": at}
        assert new["status"] == {"conditions": [stamped]}

    def test_row(self, build: Any) -> None:
        tree = build(CertificateSigningRequest, {"spec": {**SPEC, "expirationSeconds": 3600}})
        tree["status"] = {"conditions": [APPROVED], "certificate": "x"}
        row = STRATEGIES[resource_of(CertificateSigningRequest)].row(tree, NOW)
        assert tuple(row) == ("x", "60m", "example.com/x", "ann", "60m", "Approved,Issued")
