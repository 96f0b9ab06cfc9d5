"""The keys of service-account tokens, which follow their files: a new key needs no restart.

A key is exchanged with an overlap: first the new one's public half lies in `--service-account-key-file`
beside the old one's, then the new one signs, at last the old one is taken out and its tokens are
refused from then on. Files that make no sense leave everything as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from apiserver.authn.keys import PublicKey, SigningKey, parse_signing_key, read_public_keys
from wherry.daemon.clock import Clock
from wherry.daemon.tls import stamps

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class AccountKeys:
    """`public` verify tokens, `signing` makes them (None: this server makes none), as last read.

    OSError and ValueError when the files make no sense at the start.
    """

    def __init__(self, key_files: Sequence[Path], signing_file: Path | None) -> None:
        self._key_files = tuple(key_files)
        self._signing_file = signing_file
        self._files = (*key_files, *([signing_file] if signing_file else []))
        self._seen = stamps(self._files)
        self.public, self.signing = self._read()

    async def run(self, clock: Clock, take: Callable[[Sequence[PublicKey]], None]) -> None:
        """Look at the files for ever; `take` is told which keys verify from now on."""
        while True:
            await clock.sleep(LOOK_SECONDS)
            if self.look():
                take(self.public)

    def look(self) -> bool:
        """Read the files if they have changed; whether they had, and make sense."""
        try:
            seen = stamps(self._files)
            if seen == self._seen:
                return False
            self.public, self.signing = self._read()
        except (OSError, ValueError) as error:  # half written, perhaps: look again
            log.warning("the keys of service-account tokens stay as they were: %s", error)
            return False
        self._seen = seen
        log.info("service-account tokens: %d keys verify now", len(self.public))
        return True

    def _read(self) -> tuple[list[PublicKey], SigningKey | None]:
        file = self._signing_file
        signing = None if file is None else parse_signing_key(file.read_bytes())
        return read_public_keys(self._key_files), signing
