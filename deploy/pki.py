"""Authorities, certificates and keys: how each is made and read. No decisions, no files of a cluster.

Keys are ECDSA P-256: made in a millisecond, and every client of the last ten years takes them. Which
certificates a cluster has is in `inventory.py`, when they are made anew in `rotation.py`.

An authority's `.crt` file is a bundle: its first certificate signs, all of them are trusted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.files import write_private, write_public
from wherry.daemon.certificate import issued_by

CA_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)  # a joining machine's clock may be a little behind

PEM = serialization.Encoding.PEM


class Usage(StrEnum):
    """What a certificate is good for."""

    CLIENT = "client"
    SERVER = "server"
    BOTH = "both"  # etcd's: its gateway calls itself


@dataclass(frozen=True)
class Authority:
    """A certificate authority, loaded. `path` is its bundle, whose first certificate signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: Path


@dataclass(frozen=True)
class KeyPair:
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Subject:
    """Who a certificate is for: user name, groups, and the names it may serve under."""

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    usage: Usage = Usage.CLIENT


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate_pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(PEM) for one in certificates)


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds no ECDSA key")
    return key


def load_bundle(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, in order; ValueError when there is none."""
    return x509.load_pem_x509_certificates(path.read_bytes())


def load_authority(certificate: Path, key: Path) -> Authority:
    """ValueError when the key is not the signing certificate's."""
    signer, private = load_bundle(certificate)[0], load_key(key)
    if signer.public_key() != private.public_key():
        raise ValueError(f"{key} is not the key of {certificate}")
    return Authority(signer, private, certificate)


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def subject_name(subject: Subject) -> x509.Name:
    return _name(subject.common_name, subject.organizations)


def new_authority(
    common_name: str, now: datetime, life: timedelta
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A self-signed authority. Old and new ones share a name; key identifiers tell them apart."""
    key = new_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(_name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_ca_usage(), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def alternative_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Addresses as addresses, the rest as DNS names."""
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _extended(usage: Usage) -> x509.ExtendedKeyUsage:
    client, server = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
    both = {Usage.CLIENT: [client], Usage.SERVER: [server], Usage.BOTH: [client, server]}
    return x509.ExtendedKeyUsage(both[usage])


def new_certificate(
    authority: Authority, subject: Subject, now: datetime, life: timedelta
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A new key and its certificate, which never outlives the authority's."""
    key = new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_name(subject))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(min(now + life, authority.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_extended(subject.usage), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if subject.names:
        alternative = x509.SubjectAlternativeName(alternative_names(subject.names))
        builder = builder.add_extension(alternative, critical=False)
    return builder.sign(authority.key, hashes.SHA256()), key


def is_for(certificate: x509.Certificate, subject: Subject) -> bool:
    """Whether user, groups, names and usage are these."""
    wanted = set(alternative_names(subject.names))
    return (
        set(certificate.subject) == set(subject_name(subject))
        and set(subject_names(certificate)) == wanted
        and set(usages(certificate)) == set(_extended(subject.usage))
    )


def subject_names(certificate: x509.Certificate) -> Sequence[x509.GeneralName]:
    try:
        return list(
            certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        )
    except x509.ExtensionNotFound:
        return ()


def usages(certificate: x509.Certificate) -> Sequence[x509.ObjectIdentifier]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return ()


# --- one at a time, for who has no inventory


def ensure_authority(directory: Path) -> Authority:
    """The authority in `ca.crt` and `ca.key`, made when missing."""
    certificate_path, key_path = directory / "ca.crt", directory / "ca.key"
    if not (certificate_path.exists() and key_path.exists()):
        certificate, key = new_authority("kubernetes", datetime.now(UTC), CA_LIFE)
        write_private(key_path, key_pem(key))
        write_public(certificate_path, certificate_pem(certificate))
    return load_authority(certificate_path, key_path)


def ensure_certificate(
    authority: Authority,
    directory: Path,
    stem: str,
    common_name: str,
    organizations: Iterable[str] = (),
    serving_names: Iterable[str] = (),
) -> KeyPair:
    """`<stem>.crt` and `<stem>.key`; made anew when missing, foreign or for other names.

    With `serving_names` (addresses and DNS names) it serves as well as asks; without, it only asks.
    """
    pair = KeyPair(directory / f"{stem}.crt", directory / f"{stem}.key")
    names = tuple(dict.fromkeys(serving_names))
    usage = Usage.BOTH if names else Usage.CLIENT
    subject = Subject(common_name, tuple(organizations), names, usage)
    now = datetime.now(UTC)
    if pair.certificate.exists() and pair.key.exists():
        held = load_bundle(pair.certificate)[0]
        in_time = held.not_valid_after_utc > now + CERTIFICATE_LIFE / 12
        if in_time and issued_by(held, authority.certificate) and is_for(held, subject):
            return pair
    certificate, key = new_certificate(authority, subject, now, CERTIFICATE_LIFE)
    write_private(pair.key, key_pem(key))
    write_public(pair.certificate, certificate_pem(certificate))
    return pair
