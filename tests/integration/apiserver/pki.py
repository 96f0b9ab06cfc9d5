"""Authorities and certificates for tests, good ones and all kinds of bad ones."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

UID_OID = ObjectIdentifier("1.3.6.1.4.1.57683.2")
HOUR = timedelta(hours=1)


class Authority:
    """Signs certificates and writes them to a folder as `<file>.pem`, certificate before key."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._made = 0
        self.certificate = self._sign(self._subject, self._key, -HOUR, HOUR, ca=True)
        self.path = folder / f"{name}.crt"
        self.path.write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        name: str,
        *groups: str,
        uid: str = "",
        begins: timedelta = -HOUR,
        ends: timedelta = HOUR,
        address: str = "",
        usage: ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> Path:
        """A certificate for CN `name` and O `groups`, with its key. Times are relative to now."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        if name:
            attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
        if uid:
            attributes.append(x509.NameAttribute(UID_OID, uid))
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._sign(x509.Name(attributes), key, begins, ends, usage=usage, address=address)
        self._made += 1
        path = self.folder / f"{self.name}-{self._made}.pem"
        path.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        begins: timedelta,
        ends: timedelta,
        *,
        ca: bool = False,
        usage: ObjectIdentifier | None = None,
        address: str = "",
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if address:
            names = x509.SubjectAlternativeName([x509.DNSName(address)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def context(server_ca: Path, client: Path | None = None) -> ssl.SSLContext:
    """A client's TLS, which shows a certificate when one is given."""
    made = ssl.create_default_context(cafile=str(server_ca))
    if client is not None:
        made.load_cert_chain(client)
    return made
