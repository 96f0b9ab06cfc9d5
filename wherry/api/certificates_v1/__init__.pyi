"""The types of the certificates group, v1. A name is imported when it is first asked for."""

from wherry.api.certificates_v1.certificatesigningrequest import (
    CertificateSigningRequest as CertificateSigningRequest,
)
from wherry.api.certificates_v1.certificatesigningrequest import (
    CertificateSigningRequestCondition as CertificateSigningRequestCondition,
)
from wherry.api.certificates_v1.certificatesigningrequest import (
    CertificateSigningRequestSpec as CertificateSigningRequestSpec,
)
from wherry.api.certificates_v1.certificatesigningrequest import (
    CertificateSigningRequestStatus as CertificateSigningRequestStatus,
)
