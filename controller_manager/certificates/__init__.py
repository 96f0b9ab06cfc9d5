"""CertificateSigningRequests: approved, signed, cleared away."""
