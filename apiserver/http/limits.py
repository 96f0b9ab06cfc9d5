"""What a server bears of its connections: how many may idle, how long a request's head may take.

Connections that carry a request are never cut off to make room: what they cost is bounded by
priority and fairness. Those that carry none are: of too many the one that has idled longest goes, so
whoever opens ten thousand and says nothing loses them, and a client with something to say gets in.
"""

from __future__ import annotations

import logging
import time
from typing import Final, Protocol

log = logging.getLogger(__name__)

# Between two requests or before the first; a TLS connection costs about 50 KiB.
IDLE_MAX: Final = 2000
# Go's http.Server as upstream sets it (ReadHeaderTimeout); for bodies nobody reads, too.
HEAD_SECONDS_MAX: Final = 32.0
HEAD_BYTES_MAX: Final = 1024 * 1024
HANDSHAKE_SECONDS_MAX: Final = 10.0
TELL_SECONDS: Final = 10.0  # between two lines about the same reason

TOO_MANY = "too many were idle"
SLOW = "no whole request head, or no end of its body, in time"
TOO_LONG = "the request head is too long"


class Closable(Protocol):
    client: tuple[str, int] | None

    def abort(self) -> None: ...


class Limits:
    """Of one server; its connections tell what they do."""

    def __init__(
        self, idle_max: int = IDLE_MAX, head_seconds_max: float = HEAD_SECONDS_MAX
    ) -> None:
        self.head_seconds_max = head_seconds_max
        self._idle_max = idle_max
        self._idle: dict[Closable, None] = {}  # the one that has idled longest comes first
        self._counts: dict[str, int] = {}
        self._told_at: dict[str, float] = {}
        self.closed = 0

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    def idle(self, connection: Closable) -> None:
        """It has nothing to do from now on."""
        self._idle[connection] = None
        if len(self._idle) > self._idle_max:
            oldest = next(iter(self._idle))
            self.cut_off(oldest, TOO_MANY)

    def busy(self, connection: Closable) -> None:
        """It carries a request, or is gone."""
        self._idle.pop(connection, None)

    def cut_off(self, connection: Closable, why: str) -> None:
        """Close a connection, and say so once in a while."""
        self.busy(connection)
        self.closed += 1
        self._counts[why] = self._counts.get(why, 0) + 1
        now = time.monotonic()
        if now - self._told_at.get(why, -TELL_SECONDS) >= TELL_SECONDS:
            self._told_at[why] = now
            client = connection.client[0] if connection.client else "?"
            log.warning(
                "closed %d connections: %s; the last from %s", self._counts.pop(why), why, client
            )
        connection.abort()
