"""Certificate requests and certificates as PEM text. Pure.

Source: ParseCSR of pkg/apis/certificates, validateCertificate of pkg/apis/certificates/validation.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

REQUEST: Final = "CERTIFICATE REQUEST"
CERTIFICATE: Final = "CERTIFICATE"
_BLOCK = re.compile(
    rb"-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)-----END \1-----[ \t\r]*(?:\n|$)", re.DOTALL
)
_HEADER = re.compile(rb"^[^\n:]+:[^\n]*$", re.MULTILINE)


def request_problem(data: bytes) -> str:
    """Why this is no signed PKCS#10 request; empty when it is one."""
    match = _BLOCK.search(data)
    if match is None or match[1].decode(errors="replace") != REQUEST:
        return f"PEM block type must be {REQUEST}"
    try:
        request = x509.load_der_x509_csr(base64.b64decode(b"".join(match[2].split())))
        signed = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return f"x509: {error}"
    return "" if signed else "x509: the request's signature does not match its key"


def organizations(data: bytes) -> list[str]:
    """The groups that a sound request asks to be in."""
    match = _BLOCK.search(data)
    if match is None:
        return []
    request = x509.load_der_x509_csr(base64.b64decode(b"".join(match[2].split())))
    found = request.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    return [str(one.value) for one in found]


def certificate_problem(data: bytes) -> str:
    """Why this is no chain of certificates; empty when it is one, or nothing at all."""
    if not data:
        return ""
    blocks = list(_BLOCK.finditer(data))
    if not blocks:
        return f"must contain at least one {CERTIFICATE} PEM block"
    for block in blocks:
        kind = block[1].decode(errors="replace")
        if kind != CERTIFICATE:
            return f'only {CERTIFICATE} PEM blocks are allowed, found "{kind}"'
        if _HEADER.search(block[2]):
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(base64.b64decode(b"".join(block[2].split())))
        except (ValueError, TypeError) as error:
            return f"x509: {error}"
    return ""
