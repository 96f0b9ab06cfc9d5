"""An authority on disk that signs requests, taken up anew when its files change.

The key decides: of the certificates in the file, the one that belongs to it signs. So a file may
hold an old and a new authority while they are exchanged.

Source: pkg/controller/certificates/authority.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from controller_manager.certificates.request import pem_block
from wherry.daemon.files import Followed

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

BACKDATE = timedelta(minutes=5)
SHORT_SECONDS = 8 * 3600.0  # below, the end is not dated back along with the beginning

_KEY_USAGES = {
    "signing": "digital_signature", "digital signature": "digital_signature",
    "content commitment": "content_commitment", "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment", "key agreement": "key_agreement",
    "cert sign": "key_cert_sign", "crl sign": "crl_sign", "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}  # fmt: skip
_EXTENDED = {
    "any": "2.5.29.37.0", "server auth": "1.3.6.1.5.5.7.3.1", "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3", "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4", "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6", "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8", "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3", "netscape sgc": "2.16.840.1.113730.4.1",
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class BadAuthority(ValueError):
    """The signing certificate and key are unusable."""


class FileAuthority:
    """Signs with the pair that is in its files when it is asked."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._read: Followed[Pair] | None = None  # once there was something to read

    def pair(self) -> Pair:
        """The pair on disk; the one read before while they do not fit. BadAuthority."""
        if self._read is not None:
            self._read.look()
            return self._read.value
        files = (self._certificate, self._key)
        try:
            self._read = Followed("the certificates that sign", files, lambda: read_pair(*files))
        except (OSError, ValueError) as error:
            raise BadAuthority(str(error)) from error
        return self._read.value

    def sign(self, request: bytes, usages: Collection[str], seconds: float, now: datetime) -> bytes:
        """A certificate (PEM) for a PEM request."""
        return sign(self.pair(), request, usages, seconds, now)


def read_pair(certificate: Path, key: Path) -> Pair:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    private = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise BadAuthority(f"{key} holds neither an RSA nor an ECDSA key")
    for one in x509.load_pem_x509_certificates(certificate.read_bytes()):
        if one.public_key() == private.public_key():
            return Pair(one, private)
    raise BadAuthority(f"{key} is the key of no certificate in {certificate}")


def sign(
    pair: Pair, request: bytes, usages: Collection[str], seconds: float, now: datetime
) -> bytes:
    """Subject and alternative names are the request's, the rest is the signer's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    asked = x509.load_pem_x509_csr(pem_block(request))
    end = now + timedelta(seconds=seconds)
    if seconds >= SHORT_SECONDS:
        end -= BACKDATE
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(pair.certificate.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(min(end, pair.certificate.not_valid_after_utc))
        .add_extension(_key_usage(usages), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(pair.key.public_key()),
            critical=False,
        )
    )
    extended = dict.fromkeys(_EXTENDED[one] for one in usages if one in _EXTENDED)
    if extended:
        oids = [x509.ObjectIdentifier(one) for one in extended]
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
    for extension in asked.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, critical=False)
    made = builder.sign(pair.key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def _key_usage(usages: Collection[str]) -> x509.KeyUsage:
    from cryptography import x509

    wanted = {_KEY_USAGES[one] for one in usages if one in _KEY_USAGES}
    # The two `only` bits mean something (and are allowed) with key agreement alone.
    agreed = "key_agreement" in wanted
    every = set(_KEY_USAGES.values())
    bits = {one: one in wanted and (agreed or not one.endswith("_only")) for one in every}
    return x509.KeyUsage(**bits)


def expiry(certificate: bytes) -> datetime | None:
    """When the first certificate of a PEM text ends; None when it is none."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(certificate)[0].not_valid_after_utc
    except ValueError:
        return None
