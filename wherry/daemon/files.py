"""What is made of files, and made anew when they change: configuration, keys, certificates.

Files that make no sense (half of a new pair, one that is being written) leave everything as it was.
That is said once, and they are looked at again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

V = TypeVar("V")


class Followed(Generic[V]):
    """`value` is what `make` made of the files last.

    what: how a log line calls it, in the plural: "the keys of tokens"

    OSError and ValueError when the files make no sense at the start.
    """

    def __init__(self, what: str, files: Sequence[Path], make: Callable[[], V]) -> None:
        self._what = what
        self._files = tuple(files)
        self._make = make
        self._complaint = ""
        self._seen = self._stamps()
        self.value = make()

    def look(self) -> bool:
        """Make the value anew if a file has changed; whether it is new now."""
        try:
            seen = self._stamps()  # before reading: what changes amid it is seen by the next look
            if seen == self._seen:
                return False
            self.value = self._make()
        except (OSError, ValueError) as error:
            if str(error) != self._complaint:
                log.warning("%s stay as they were: %s", self._what, error)
            self._complaint = str(error)
            return False
        self._seen, self._complaint = seen, ""
        log.info("%s were read anew", self._what)
        return True

    async def follow(self, clock: Clock, seconds: float, take: Callable[[V], None]) -> None:
        """Look once in so many seconds, for ever; `take` is given each new value."""
        while True:
            await clock.sleep(seconds)
            if self.look():
                take(self.value)

    def _stamps(self) -> list[tuple[int, int, int]]:
        """What tells a replaced or rewritten file from the old one."""
        found = [path.stat() for path in self._files]
        return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in found]
