"""Following `--authorization-config`: what the file says is in force within a minute.

A file that makes no sense changes nothing. A webhook that stays as it was keeps its answers.

Source: pkg/kubeapiserver/authorizer/reload.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from apiserver.authz.authorizer import Authorizer, Union
from apiserver.authz.configuration import AuthorizerConfig, read
from wherry.daemon.clock import Clock
from wherry.daemon.files import Followed

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
        self._make = make
        self._made: dict[AuthorizerConfig, Authorizer] = {}
        what = "the authorizers of --authorization-config"
        self._all = Followed(what, [file], lambda: self._of(read(file)))
        self.union = Union(self._all.value, ready, may_wait=True)

    async def run(self, clock: Clock) -> None:
        """Look at the file for ever."""
        await self._all.follow(clock, LOOK_SECONDS, self.union.become)

    def look(self) -> None:
        """Take over what the file says, if it has changed."""
        if self._all.look():
            self.union.become(self._all.value)

    def _of(self, configs: Sequence[AuthorizerConfig]) -> list[Authorizer]:
        made = {one: self._made.get(one) or self._make(one) for one in configs}
        self._made = made
        return list(made.values())
