"""What a certificate request asks for, as plain values.

The `cryptography` package (some 12 MiB) is loaded when the first request is read: most controller
managers never see one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(
    rb"-----BEGIN CERTIFICATE REQUEST-----.*?-----END CERTIFICATE REQUEST-----", re.S
)


class BadRequest(ValueError):
    """No certificate request, or one that its own key has not signed."""


@dataclass(frozen=True)
class Request:
    """Subject and alternative names of a PKCS#10 request."""

    common_name: str = ""
    organizations: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()


def pem_block(data: bytes) -> bytes:
    """The first request in a PEM text. BadRequest without one."""
    found = _BLOCK.search(data)
    if found is None:
        raise BadRequest("PEM block type must be CERTIFICATE REQUEST")
    return found[0]


def read(data: bytes) -> Request:
    """Decode a PEM request. BadRequest."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        request = x509.load_pem_x509_csr(pem_block(data))
        if not request.is_signature_valid:
            raise BadRequest("the request's signature does not match its key")
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadRequest(str(error)) from error

    def names(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(one.value) for one in request.subject.get_attributes_for_oid(oid))

    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        found = x509.SubjectAlternativeName([])
    return Request(
        common_name=next(iter(names(x509.NameOID.COMMON_NAME)), ""),
        organizations=names(x509.NameOID.ORGANIZATION_NAME),
        dns_names=tuple(found.get_values_for_type(x509.DNSName)),
        addresses=tuple(str(one) for one in found.get_values_for_type(x509.IPAddress)),
        emails=tuple(found.get_values_for_type(x509.RFC822Name)),
        uris=tuple(found.get_values_for_type(x509.UniformResourceIdentifier)),
    )
