"""The TLS of a client configuration, following the files it names.

Certificates and keys that are embedded in a kubeconfig stay as they were read; those it refers to
are taken up again when they change, so that a rotated certificate or CA needs no restart.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from wherry.client.kubeconfig import ClientConfig, ConfigError, tls_context
from wherry.daemon.tls import FollowedContext


def followed_files(config: ClientConfig) -> list[Path]:
    """The files whose content makes the TLS context."""
    pairs = (
        (config.ca_file, config.ca_data),
        (config.cert_file, config.cert_data),
        (config.key_file, config.key_data),
    )
    return [Path(name) for name, data in pairs if name and not data]


class ClientTls:
    """The newest context of a configuration; None over plain HTTP. ConfigError when files are bad."""

    def __init__(self, config: ClientConfig) -> None:
        first = tls_context(config)
        self._followed: FollowedContext | None = None
        if first is not None:
            made = [first]

            def make() -> ssl.SSLContext:
                try:
                    context = made.pop() if made else tls_context(config)
                except ConfigError as error:
                    raise ValueError(str(error)) from error
                assert context is not None, "the server's scheme does not change"
                return context

            self._followed = FollowedContext(followed_files(config), make)

    @property
    def generation(self) -> int:
        return self._followed.generation if self._followed is not None else 0

    def current(self) -> ssl.SSLContext | None:
        return self._followed.current() if self._followed is not None else None
