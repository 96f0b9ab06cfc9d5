"""The server's TLS: its context, new files taken up, and a certificate of its own when none was given.

A self-signed pair is written to `--cert-dir` under upstream's names (`apiserver.crt`,
`apiserver.key`) and used again at the next start, so clients that pinned it keep working. When a
file changes, connections from then on see the new context; those that stand keep theirs.

Source: k8s.io/apiserver/pkg/server/options/serving.go.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from apiserver.authn.certificates import Bundles, ClientAuthorities
from wherry.daemon.certificate import self_signed_pem
from wherry.daemon.clock import Clock
from wherry.daemon.files import Followed

# TLS 1.3 session tickets cost a write and memory per connection, and our clients rarely resume.
SESSION_TICKETS = 0
RELOAD_SECONDS = 1.0  # between two looks at the files


# Times are left to authn, which answers 401 where OpenSSL would break the handshake off; and as for
# Go an authority in the bundle need not be a root.
VERIFY_FLAGS = ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(
    0x200000
)  # X509_V_FLAG_NO_CHECK_TIME


def server_context(certificate: Path, key: Path, authorities: Sequence[Path]) -> ssl.SSLContext:
    """The context to serve with. With authorities, clients may (not must) show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = SESSION_TICKETS
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    for authority in authorities:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= VERIFY_FLAGS
    return context


class HandshakeErrors:
    """Counts handshakes that failed. uvloop tells nobody of them, so the TLS object itself does."""

    def __init__(self) -> None:
        self.count = 0

    def watch(self, context: ssl.SSLContext) -> None:
        """Count those of a listener's context."""
        counter = self

        class Counted(ssl.SSLObject):
            def do_handshake(self) -> None:
                try:
                    super().do_handshake()
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    raise
                except ssl.SSLError:
                    counter.count += 1
                    raise

        context.sslobject_class = Counted


class ServingTls:
    """`context` stays the same object for the listener; each handshake gets the newest files' one."""

    def __init__(self, certificate: Path, key: Path, authorities: ClientAuthorities) -> None:
        self._authorities = authorities
        files = (certificate, key, *authorities.files)

        def read() -> tuple[Bundles, ssl.SSLContext]:
            return authorities.read(), server_context(certificate, key, authorities.files)

        self._read = Followed("serving certificate and client authorities", files, read)
        self.context = self._read.value[1]
        self.context.sni_callback = self._choose
        self.errors = HandshakeErrors()
        self.errors.watch(self.context)

    async def run(self, clock: Clock) -> None:
        """Follow the files for ever."""
        take = self._authorities.take
        await self._read.follow(clock, RELOAD_SECONDS, lambda read: take(read[0]))

    def _choose(self, tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        tls.context = self._read.value[1]


def ensure_self_signed(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """The paths of `apiserver.crt` and `apiserver.key` in `folder`; made when one is missing."""
    certificate, key = folder / "apiserver.crt", folder / "apiserver.key"
    if not (certificate.exists() and key.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        pem = self_signed_pem(list(dict.fromkeys(names)))
        head, begin, rest = pem.partition(b"-----BEGIN PRIVATE KEY-----")
        write_private(key, begin + rest)
        certificate.write_bytes(head)
    return certificate, key


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
