"""The kubelet's own certificates, asked for by CertificateSigningRequest and renewed in time."""
