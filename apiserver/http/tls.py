"""The server's TLS: its context, new files taken up, and a certificate of its own when none was given.

A self-signed pair is written to `--cert-dir` under upstream's names (`apiserver.crt`,
`apiserver.key`) and used again at the next start, so clients that pinned it keep working. When a
file changes, connections from then on see the new context; those that stand keep theirs.

Source: k8s.io/apiserver/pkg/server/options/serving.go.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from wherry.daemon.certificate import self_signed_pem
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

# TLS 1.3 session tickets cost a write and memory per connection, and our clients rarely resume.
SESSION_TICKETS = 0
RELOAD_SECONDS = 5.0  # between two looks at the files


def server_context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """The context to serve with. With a client CA, clients may (not must) show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = SESSION_TICKETS
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


class ServingTls:
    """`context` stays the same object for the listener; each handshake gets the newest files' one."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._files = (certificate, key, client_ca)
        self._seen = self._stamps()
        self._current = self.context = server_context(*self._files)
        self.context.sni_callback = self._choose

    async def run(self, clock: Clock) -> None:
        """Follow the files for ever."""
        while True:
            await clock.sleep(RELOAD_SECONDS)
            self.reload()

    def reload(self) -> bool:
        """Take up changed files; whether there was something to take up. Bad ones are left alone."""
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return False
            self._current = server_context(*self._files)
        except (OSError, ValueError) as error:  # half of a pair, perhaps: look again
            log.warning(
                "the serving certificate and client authorities stay as they are: %s", error
            )
            return False
        self._seen = stamps
        log.info("took up new serving certificate or client authority files")
        return True

    def _choose(self, tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        tls.context = self._current

    def _stamps(self) -> list[tuple[int, int, int]]:
        found = [path.stat() for path in self._files if path is not None]
        return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in found]


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
