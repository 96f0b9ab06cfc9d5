"""Following `--authorization-config`: what the file says is in force within a minute.

A file that makes no sense changes nothing. A webhook that stays as it was keeps its answers.

Source: pkg/kubeapiserver/authorizer/reload.go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from apiserver.authz.authorizer import Authorizer, Union
from apiserver.authz.configuration import AuthorizerConfig, read
from wherry.daemon.clock import Clock
from wherry.daemon.tls import stamps

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0


class FollowedAuthorizers:
    """Makes the authorizers of a file, now and whenever it changes. `make` makes one."""

    def __init__(
        self,
        file: Path,
        make: Callable[[AuthorizerConfig], Authorizer],
        ready: Callable[[], bool],
    ) -> None:
        """ValueError and OSError when the file makes no sense."""
        self._file = file
        self._make = make
        self._seen = stamps([file])
        self._made: dict[AuthorizerConfig, Authorizer] = {}
        self.union = Union(self._all(read(file)), ready, may_wait=True)

    async def run(self, clock: Clock) -> None:
        """Look at the file for ever."""
        while True:
            await clock.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Take over what the file says, if it has changed."""
        try:
            seen = stamps([self._file])
            if seen == self._seen:
                return
            self._seen = seen
            self.union.become(self._all(read(self._file)))
        except (OSError, ValueError) as error:
            log.warning("--authorization-config: the authorizers stay as they are: %s", error)
            return
        types = ", ".join(one.type for one in self._made)
        log.info("--authorization-config: decided by %s now", types)

    def _all(self, configs: Sequence[AuthorizerConfig]) -> list[Authorizer]:
        made = {one: self._made.get(one) or self._make(one) for one in configs}
        self._made = made
        return list(made.values())
