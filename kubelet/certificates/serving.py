"""The kubelet's serving certificate by request; until it is there, one of its own making serves."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from kubelet.certificates.child import Wanted
from kubelet.certificates.rotation import SERVING_SIGNER, Kind
from kubelet.certificates.store import PairFile
from wherry.daemon.tls import FollowedContext, server_context

log = logging.getLogger(__name__)


def serving_kind(folder: Path, wanted: Callable[[], Wanted], authorities: Path | None) -> Kind:
    """The serving certificate of a node: `wanted` has its name and, at the moment, its addresses."""
    file = PairFile(folder, "kubelet-server")
    return Kind(file, SERVING_SIGNER, "server auth", wanted, authorities)


class ServingCertificate:
    """`context` is listened with; each handshake is served with the newest certificate."""

    def __init__(self, kind: Kind, client_ca: Path | None, first: ssl.SSLContext) -> None:
        self._pair, self._client_ca = kind.file.path, client_ca
        self._followed: FollowedContext | None = None
        self.context = first
        self.context.sni_callback = self._choose
        self.take()

    def take(self) -> None:
        """Serve with the file from now on, if there is one."""
        if self._followed is not None or not self._pair.exists():
            return
        pair, ca = self._pair, self._client_ca
        try:
            self._followed = FollowedContext(
                [path for path in (pair, ca) if path is not None],
                lambda: server_context(pair, pair, ca),
            )
        except (OSError, ValueError) as error:
            log.warning("the serving certificate %s is unusable: %s", pair, error)

    def _choose(self, tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._followed is not None:
            tls.context = self._followed.current()
