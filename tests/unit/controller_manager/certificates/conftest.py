from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def request_pem(
    common_name: str, *organizations: str, names: tuple[x509.GeneralName, ...] = ()
) -> bytes:
    """A signed PKCS#10 request."""
    parts = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, one) for one in organizations]
    subject = x509.Name([*parts, x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def make_request() -> Callable[..., bytes]:
    return request_pem


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """A folder with an authority."""
    from deploy.pki import ensure_authority

    ensure_authority(tmp_path)
    return tmp_path
