"""The certificates of a cluster: one authority, a certificate per daemon, a service-account key.

Keys are ECDSA P-256: made in a millisecond, and every client of the last ten years takes them.
Nothing here rotates or revokes; a certificate that exists and still fits is kept, so that `up` may
run again.

Source of names and groups: kubeadm's certificates (kubernetes.io/docs/setup/best-practices/certificates).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.files import write_private, write_public

CA_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)  # a joining machine's clock may be a little behind


@dataclass(frozen=True)
class Authority:
    """The cluster's certificate authority, loaded."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: Path


@dataclass(frozen=True)
class KeyPair:
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds no ECDSA key")
    return key


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def ensure_authority(directory: Path) -> Authority:
    """The authority in `ca.crt` and `ca.key`, made when missing."""
    certificate_path, key_path = directory / "ca.crt", directory / "ca.key"
    if certificate_path.exists() and key_path.exists():
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        return Authority(certificate, _load_key(key_path), certificate_path)
    key = _new_key()
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("kubernetes"))
        .issuer_name(_name("kubernetes"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_ca_usage(), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(key_path, _key_pem(key))
    write_public(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(certificate, key, certificate_path)


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


def _alternative_names(names: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


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
    names = list(dict.fromkeys(serving_names))
    if _fits(authority, pair, names):
        return pair
    key = _new_key()
    now = datetime.now(UTC)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if names:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name, organizations))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if names:
        alternative = x509.SubjectAlternativeName(_alternative_names(names))
        builder = builder.add_extension(alternative, critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    write_private(pair.key, _key_pem(key))
    write_public(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    return pair


def _fits(authority: Authority, pair: KeyPair, names: list[str]) -> bool:
    if not (pair.certificate.exists() and pair.key.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    try:
        certificate.verify_directly_issued_by(authority.certificate)
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        held = set(extension.value)
    except x509.ExtensionNotFound:
        held = set()
    except Exception:  # noqa: BLE001 # whatever is wrong with the signature: a new one mends it
        return False
    in_time = certificate.not_valid_after_utc > datetime.now(UTC) + CERTIFICATE_LIFE / 12
    return in_time and held == set(_alternative_names(names))


def ensure_service_account_key(directory: Path) -> KeyPair:
    """`sa.key` signs service-account tokens, `sa.pub` verifies them."""
    pair = KeyPair(directory / "sa.pub", directory / "sa.key")
    if pair.certificate.exists() and pair.key.exists():
        return pair
    key = _new_key()
    write_private(pair.key, _key_pem(key))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_public(pair.certificate, public)
    return pair
