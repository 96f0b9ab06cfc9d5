"""TLS towards etcd, with a certificate of our own when etcd asks for one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EtcdTls:
    """Files that prove who we are to etcd and who etcd is to us."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def context(self) -> ssl.SSLContext:
        """From the files as they are now. OSError (ssl.SSLError is one): they are amiss."""
        for path in filter(None, (self.ca_file, self.cert_file, self.key_file)):
            Path(path).read_bytes()  # OpenSSL does not say which file it misses
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file or None)
        context.set_alpn_protocols(["h2"])
        return context
