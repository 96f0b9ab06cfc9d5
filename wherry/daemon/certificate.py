"""A self-signed serving certificate for a daemon that was given none.

Lives in memory only: a health port's certificate proves nothing, it just keeps scrapers' traffic
private. The key is made in a short-lived child process, so that the `cryptography` package (some
12 MiB) does not stay in a daemon that needs it once.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, GeneralName

MAKE_SECONDS_MAX = 30.0
LIFETIME = timedelta(days=365)


def issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether this very authority issued it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 # whatever is wrong with the signature: it is not this one's
        return False
    return True


def self_signed_pem(names: list[str]) -> bytes:
    """A new key and a certificate for these DNS names and addresses, both as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _general(name: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


async def self_signed_context(names: list[str], client_ca: Path | None = None) -> ssl.SSLContext:
    """A server context with a fresh self-signed certificate; clients may show theirs."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wherry.daemon.certificate", *names,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(MAKE_SECONDS_MAX):
        pem, _ = await child.communicate()
    if child.returncode:
        raise OSError(f"making a self-signed certificate failed with code {child.returncode}")
    context = load_context(pem)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def load_context(pem: bytes) -> ssl.SSLContext:
    """A server context from certificate and key in one PEM text."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The ssl module loads keys from files only; this one is private and gone at once.
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


if __name__ == "__main__":
    os.write(1, self_signed_pem(sys.argv[1:]))
