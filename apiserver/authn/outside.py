"""All outside issuers together: each with its keys, and followed in the file that names them.

The file is looked at once a minute, as upstream does. One that makes no sense changes nothing; an
issuer that stays as it was keeps its keys, one that is no longer named is not believed from then on.
Who may be anonymous is read at the start only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from apiserver.authn.authenticator import Authenticated
from apiserver.authn.oidc import Issuer, OidcTokens
from apiserver.authn.oidc_keys import IssuerKeys
from wherry.daemon.clock import Clock
from wherry.daemon.files import Followed

LOOK_SECONDS = 60.0


class OutsideIssuers:
    """Knows the tokens of several issuers. `reread` gives those that `file` names now."""

    def __init__(
        self,
        issuers: Sequence[Issuer],
        api_audiences: Sequence[str],
        clock: Clock,
        file: Path | None = None,
        reread: Callable[[], Sequence[Issuer]] = tuple,
    ) -> None:
        self._audiences = tuple(api_audiences)
        self._clock = clock
        what = "the issuers of --authentication-config"
        self._file = None if file is None else Followed(what, [file], reread)
        self._held = [self._made(issuer) for issuer in issuers]
        self._running: dict[int, asyncio.Task[None]] = {}

    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        for _, tokens, _ in self._held:
            found = tokens.authenticate(token, audiences, now)
            if found is not None:
                return found
        return None

    def _made(self, issuer: Issuer) -> tuple[Issuer, OidcTokens, IssuerKeys]:
        keys = IssuerKeys(issuer, self._clock)
        return issuer, OidcTokens(issuer, keys, self._audiences), keys

    async def run(self) -> None:
        """Fetch keys and follow the file for ever."""
        async with asyncio.TaskGroup() as group:
            self._start(group)
            while self._file is not None:
                await self._clock.sleep(LOOK_SECONDS)
                if self._file.look():
                    self._become(group, self._file.value)
            await asyncio.Event().wait()  # the keys' tasks never end

    def _become(self, group: asyncio.TaskGroup, issuers: Sequence[Issuer]) -> None:
        before = {entry[0].url: entry for entry in self._held}
        self._held = [
            before[issuer.url]
            if issuer.url in before and before[issuer.url][0] == issuer
            else self._made(issuer)
            for issuer in issuers
        ]
        self._start(group)

    def _start(self, group: asyncio.TaskGroup) -> None:
        """One task for each issuer's keys; none for those that are gone."""
        wanted = {id(keys): keys for _, _, keys in self._held}
        for gone in self._running.keys() - wanted.keys():
            self._running.pop(gone).cancel()
        for key, keys in wanted.items():
            if key not in self._running:
                self._running[key] = group.create_task(keys.run())
