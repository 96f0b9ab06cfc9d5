"""TLS contexts that follow their files: new certificates and authorities without a restart.

Who asks for the context gets the newest one; connections that stand keep theirs. Files are looked at
when somebody asks, at most once in `CHECK_SECONDS`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from wherry.daemon.files import Followed

CHECK_SECONDS = 1.0


class FollowedContext:
    """The context that `make` makes of `files`, made again when one of them changed.

    generation: grows with every new context; who keeps connections closes those of an older one
    """

    def __init__(
        self,
        files: Sequence[Path],
        make: Callable[[], ssl.SSLContext],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._looked = monotonic()
        self._contexts = Followed("TLS contexts", files, make)
        self.generation = 0

    def current(self) -> ssl.SSLContext:
        """The newest context whose files are sound."""
        now = self._monotonic()
        if now - self._looked >= CHECK_SECONDS:
            self._looked = now
            if self._contexts.look():
                self.generation += 1
        return self._contexts.value


def server_context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """Serve with this pair; a client may show a certificate, which the CA must have signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def followed_server_context(
    certificate: Path, key: Path, client_ca: Path | None = None
) -> ssl.SSLContext:
    """One context to listen with; each handshake is served with the newest files.

    OSError or ValueError when the files are unusable now.
    """
    files = [path for path in (certificate, key, client_ca) if path is not None]
    followed = FollowedContext(files, lambda: server_context(certificate, key, client_ca))
    listening = followed.current()

    def choose(tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        tls.context = followed.current()

    listening.sni_callback = choose
    return listening
