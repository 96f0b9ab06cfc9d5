"""The encryption configuration's file: read at start, and again when it changes (if asked for).

Source: --encryption-provider-config-automatic-reload of k8s.io/apiserver/pkg/server/options.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from apiserver.storage.encryption.config import EncryptionRules, parse_encryption
from wherry.daemon.clock import Clock
from wherry.daemon.tls import Stamp, stamps

log = logging.getLogger(__name__)

RELOAD_SECONDS = 1.0  # between two looks at the file


class ConfigFile:
    """A configuration file. Reading it raises OSError or ValueError; neither shows a secret."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: list[Stamp] = []

    def read(self) -> EncryptionRules:
        self._seen = stamps([self._path])
        return parse_encryption(self._path.read_text())

    async def follow(self, clock: Clock, take: Callable[[EncryptionRules], None]) -> None:
        """Look for changes for ever. What makes no sense is said, and the old rules stay."""
        while True:
            await clock.sleep(RELOAD_SECONDS)
            try:
                if stamps([self._path]) == self._seen:
                    continue
                rules = self.read()
            except (OSError, ValueError) as error:
                log.error("the encryption configuration stays as it was: %s", error)
                continue
            take(rules)
            log.info("took up a new encryption configuration")
