"""The keys of service-account tokens, which follow their files: a new key needs no restart.

A key is exchanged with an overlap: first the new one's public half lies in `--service-account-key-file`
beside the old one's, then the new one signs, at last the old one is taken out and its tokens are
refused from then on. Files that make no sense leave everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from apiserver.authn.keys import PublicKey, SigningKey, parse_signing_key, read_public_keys
from wherry.daemon.clock import Clock
from wherry.daemon.files import Followed

LOOK_SECONDS = 1.0


class AccountKeys:
    """`public` verify tokens, `signing` makes them (None: this server makes none), as last read.

    OSError and ValueError when the files make no sense at the start.
    """

    def __init__(self, key_files: Sequence[Path], signing_file: Path | None) -> None:
        self._key_files = tuple(key_files)
        self._signing_file = signing_file
        files = (*key_files, *([signing_file] if signing_file else []))
        self._read_keys = Followed("the keys of service-account tokens", files, self._read)

    @property
    def public(self) -> Sequence[PublicKey]:
        return self._read_keys.value[0]

    @property
    def signing(self) -> SigningKey | None:
        return self._read_keys.value[1]

    async def run(self, clock: Clock, take: Callable[[Sequence[PublicKey]], None]) -> None:
        """Look at the files for ever; `take` is told which keys verify from now on."""
        await self._read_keys.follow(clock, LOOK_SECONDS, lambda keys: take(keys[0]))

    def look(self) -> bool:
        """Read the files if they have changed; whether they had, and make sense."""
        return self._read_keys.look()

    def _read(self) -> tuple[Sequence[PublicKey], SigningKey | None]:
        file = self._signing_file
        signing = None if file is None else parse_signing_key(file.read_bytes())
        return read_public_keys(self._key_files), signing
