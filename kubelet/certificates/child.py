"""Cryptography in a short-lived child process: making keys and requests, reading certificates.

So that the `cryptography` package (some 12 MiB) does not stay in a kubelet that needs it once in
months. Text goes in and comes out as JSON; keys travel through pipes only.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from wherry.daemon.certificate import issued_by

if TYPE_CHECKING:
    from cryptography import x509

CHILD_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Wanted:
    """Who a certificate is to be for. `names`: DNS names and addresses of a server."""

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held:
    """A certificate as it was read.

    current: its issuer is the first of the trusted authorities, which is the one that signs
    """

    common_name: str
    organizations: tuple[str, ...]
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_fits: bool
    current: bool


async def new_request(wanted: Wanted) -> tuple[bytes, bytes]:
    """A new key and a request for its certificate, both PEM."""
    found = await _ask({"do": "request", **asdict(wanted)})
    return found["key"].encode(), found["request"].encode()


async def describe(pem: bytes, authorities: bytes = b"") -> Held | None:
    """What a PEM text with certificate and key holds; None when it cannot be read."""
    asked = {"do": "describe", "pem": pem.decode(), "authorities": authorities.decode()}
    found = await _ask(asked)
    if not found:
        return None
    times = {name: datetime.fromtimestamp(found[name], UTC) for name in ("not_before", "not_after")}
    lists = {name: tuple(found[name]) for name in ("organizations", "names")}
    return Held(**{**found, **times, **lists})


async def _ask(tree: Mapping[str, Any]) -> dict[str, Any]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kubelet.certificates.child",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(CHILD_SECONDS_MAX):
            answer, _ = await child.communicate(json.dumps(tree).encode())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise OSError(f"the child that knows cryptography ended with code {child.returncode}")
    found: dict[str, Any] = json.loads(answer)
    return found


# --- in the child


def _general(names: Sequence[str]) -> list[x509.GeneralName]:
    from cryptography import x509

    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def make_request(wanted: Wanted) -> tuple[bytes, bytes]:
    """Key and request as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, o) for o in wanted.organizations]
    subject = x509.Name([*parts, x509.NameAttribute(x509.NameOID.COMMON_NAME, wanted.common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if wanted.names:
        names = x509.SubjectAlternativeName(_general(wanted.names))
        builder = builder.add_extension(names, critical=False)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read(pem: bytes, authorities: bytes) -> dict[str, Any]:
    """`Held` as JSON has it; empty when there is no certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
        bundle = x509.load_pem_x509_certificates(authorities) if authorities else []
    except (ValueError, IndexError):
        return {}
    try:
        key = serialization.load_pem_private_key(pem, None)
        key_fits = key.public_key() == certificate.public_key()
    except (ValueError, TypeError):
        key_fits = False
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [str(one.value) for one in found.value]
    except x509.ExtensionNotFound:
        names = []

    def parts(oid: x509.ObjectIdentifier) -> list[str]:
        return [str(one.value) for one in certificate.subject.get_attributes_for_oid(oid)]

    return {
        "common_name": next(iter(parts(x509.NameOID.COMMON_NAME)), ""),
        "organizations": parts(x509.NameOID.ORGANIZATION_NAME),
        "names": names,
        "not_before": certificate.not_valid_before_utc.timestamp(),
        "not_after": certificate.not_valid_after_utc.timestamp(),
        "key_fits": key_fits,
        "current": not bundle or issued_by(certificate, bundle[0]),
    }


def main() -> None:
    asked = json.load(sys.stdin)
    if asked.pop("do") == "describe":
        answer = read(asked["pem"].encode(), asked["authorities"].encode())
    else:
        key, request = make_request(Wanted(**asked))
        answer = {"key": key.decode(), "request": request.decode()}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
