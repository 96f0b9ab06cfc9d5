"""Which authority signed a certificate, and whom it names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver.authn.certificates import (
    UID_OID,
    Bundles,
    ClientAuthorities,
    ClientCertificates,
    Shown,
    bundle_of,
    signed_by,
    user_named,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Signer:
    """An authority, or an intermediate of one."""

    def __init__(self, name: str, parent: Signer | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (parent or self).sign(self.name, self.key)

    def sign(self, subject: x509.Name, key: Any) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def leaf(self, name: str = "jane") -> bytes:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self.sign(subject, ec.generate_private_key(ec.SECP256R1()))
        return made.public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def clients() -> Signer:
    return Signer("clients")


@pytest.fixture(scope="module")
def proxies() -> Signer:
    return Signer("proxies")


def shown(*chain: bytes, subject: Sequence[tuple[str, str]] = (("commonName", "jane"),)) -> Shown:
    return Shown([(one,) for one in subject], chain, NOW, NOW + timedelta(days=1))


def test_any_certificate_of_the_chain_may_be_the_anchor(clients: Signer, proxies: Signer) -> None:
    middle = Signer("middle", clients)
    chain = (middle.leaf(), middle.der, clients.der)
    assert signed_by(chain, bundle_of(clients.pem))
    assert signed_by(chain, bundle_of(middle.pem))
    assert not signed_by(chain, bundle_of(proxies.pem))


def test_a_resumed_session_tells_no_chain(clients: Signer, proxies: Signer) -> None:
    assert signed_by((clients.leaf(),), bundle_of(proxies.pem + clients.pem))
    assert not signed_by((clients.leaf(),), bundle_of(proxies.pem))


def test_same_name_other_key(clients: Signer) -> None:
    assert not signed_by((Signer("clients").leaf(),), bundle_of(clients.pem))


def authorities(tmp_path: Path, clients: Signer | None, proxies: Signer | None) -> Any:
    paths = []
    for name, signer in (("clients", clients), ("proxies", proxies)):
        path = tmp_path / name
        if signer is not None:
            path.write_bytes(signer.pem)
        paths.append(path if signer is not None else None)
    return ClientAuthorities(*paths)


def test_each_authority_is_for_one_thing(tmp_path: Path, clients: Signer, proxies: Signer) -> None:
    both = ClientCertificates(authorities(tmp_path, clients, proxies))
    jane = both.identify(shown(clients.leaf(), clients.der))
    assert jane.user is not None
    assert (jane.user.name, jane.proxy, jane.problem) == ("jane", False, "")
    front = both.identify(shown(proxies.leaf(), proxies.der))
    assert (front.user, front.proxy) == (None, True)
    assert front.problem  # without the headers it is not good for anything
    only = ClientCertificates(authorities(tmp_path, None, proxies))
    assert only.identify(shown(proxies.leaf(), proxies.der)).problem == ""
    nobody = both.identify(None)
    assert (nobody.user, nobody.proxy, nobody.problem, nobody.shown) == (None, False, "", False)


@pytest.mark.parametrize(("allowed", "good"), [((), True), (("jane",), True), (("bob",), False)])
def test_allowed_names(
    tmp_path: Path, proxies: Signer, allowed: tuple[str, ...], good: bool
) -> None:
    certificates = ClientCertificates(authorities(tmp_path, None, proxies), allowed)
    assert certificates.identify(shown(proxies.leaf(), proxies.der)).proxy is good


def test_taking_authorities_moves_the_generation(tmp_path: Path, clients: Signer) -> None:
    held = authorities(tmp_path, clients, None)
    certificates, jane = ClientCertificates(held), shown(clients.leaf(), clients.der)
    before = certificates.identify(jane)
    held.take(held.read())
    assert held.generation == before.generation
    held.take(Bundles(bundle_of(Signer("new").pem)))
    after = certificates.identify(jane)
    assert after.generation > before.generation
    assert (after.user, bool(after.problem)) == (None, True)


def test_whom_it_names(clients: Signer) -> None:
    subject = [
        ("organizationName", "system:nodes"), ("organizationName", "more"), (UID_OID, "u-1"),
        ("commonName", "system:node:n1"),
    ]  # fmt: skip
    leaf = clients.leaf()
    user = user_named(shown(leaf, subject=subject))
    assert user is not None
    assert (user.name, user.uid, user.groups) == ("system:node:n1", "u-1", ("system:nodes", "more"))
    assert user.extra == {
        "authentication.kubernetes.io/credential-id": (f"X509SHA256={sha256(leaf).hexdigest()}",)
    }
    assert user_named(shown(leaf, subject=[("organizationName", "system:masters")])) is None


@pytest.mark.parametrize("uids", [("u1", "u2"), ("",)])
def test_uids_that_make_no_sense(tmp_path: Path, clients: Signer, uids: tuple[str, ...]) -> None:
    subject = [("commonName", "jane"), *((UID_OID, uid) for uid in uids)]
    certificates = ClientCertificates(authorities(tmp_path, clients, None))
    found = certificates.identify(shown(clients.leaf(), clients.der, subject=subject))
    assert (found.user, bool(found.problem)) == (None, True)


def test_a_bundle_without_certificates() -> None:
    with pytest.raises(ValueError, match="no PEM certificate"):
        bundle_of(b"nothing")
