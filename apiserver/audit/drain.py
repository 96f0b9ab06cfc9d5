"""A bounded queue of events and the thread that empties it into a log or a webhook.

Whoever offers an event never waits: it is taken, or counted as lost. The thread is woken once for a
whole batch (a turn of two threads costs more than an event does), writes with nobody waiting, and
whatever goes wrong there ends in a count and, once in a while, a line in the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Protocol

from apiserver.audit.events import Whole
from apiserver.audit.settings import Batching

log = logging.getLogger(__name__)

TELL_SECONDS = 30.0  # between two lines about lost events
CLOSE_SECONDS_MAX = 5.0  # for the last events when the server stops
QUEUED_BYTES_MAX = 64 * 1024 * 1024  # of bodies that wait to be written

Event = bytes | Whole


class WriteFailed(Exception):
    """Events of a batch were not written; `lost` says how many."""

    def __init__(self, lost: int, why: str) -> None:
        super().__init__(why)
        self.lost = lost


class Writer(Protocol):
    """Where a thread puts batches. `write` may take its time and raises WriteFailed."""

    def write(self, batch: list[Event]) -> None: ...

    def close(self) -> None: ...


class Drain:
    """See the module. `plugin` is what metrics call it: log or webhook."""

    def __init__(self, plugin: str, writer: Writer, batching: Batching) -> None:
        self.plugin = plugin
        self.lost = 0
        self.failing = False  # the last batch was not written
        self._writer = writer
        self._batching = batching
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._some = threading.Event()
        self._full = threading.Event()
        self._stopping = False
        self._told_at = float("-inf")
        self._untold = 0
        self._thread = threading.Thread(target=self._run, name=f"audit-{plugin}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, event: Event) -> bool:
        """Take an event to be written soon; False when it is lost. Never blocks."""
        events = self._events
        if len(events) >= self._batching.buffer_max:
            return self._lose_one("the queue is full")
        if isinstance(event, Whole):
            if self._bytes > QUEUED_BYTES_MAX:
                return self._lose_one("the bodies that wait take too much memory")
            self._bytes += event.size()
        events.append(event)
        waiting = len(events)
        if waiting == 1:
            self._some.set()
        elif waiting == self._batching.batch_max:
            self._full.set()
        return True

    def close(self, seconds: float = CLOSE_SECONDS_MAX) -> None:
        """Write what waits, as far as the time allows. Blocks."""
        self._stopping = True
        self._full.set()
        self._some.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning(
                "audit %s: %d events were not written in time", self.plugin, len(self._events)
            )
        else:
            self._writer.close()

    def _lose_one(self, why: str) -> bool:
        self._lose(1, why)
        return False

    def _lose(self, count: int, why: str) -> None:
        self.lost += count
        self._untold += count
        now = time.monotonic()
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            untold, self._untold = self._untold, 0
            log.error("audit %s: %d events lost: %s", self.plugin, untold, why)

    def _run(self) -> None:
        while not self._stopping or self._events:
            self._some.wait()
            self._some.clear()
            if not self._stopping:
                self._full.wait(self._batching.wait_seconds)
            self._full.clear()
            # What comes while this is written waits for the next turn: else every few events
            # would be a batch, and a turn of two threads, of their own.
            waiting = len(self._events)
            while waiting > 0:
                batch = self._take(waiting)
                waiting -= len(batch)
                self._write(batch)
            if self._events:
                self._some.set()

    def _take(self, waiting: int) -> list[Event]:
        events = self._events
        batch = [events.popleft() for _ in range(min(waiting, self._batching.batch_max))]
        # The loop's thread adds to this number, too; a race loses at most one event's size.
        self._bytes -= sum(one.size() for one in batch if isinstance(one, Whole))
        if not events:
            self._bytes = 0
        return batch

    def _write(self, batch: list[Event]) -> None:
        try:
            self._writer.write(batch)
        except WriteFailed as error:
            self.failing = True
            self._lose(error.lost, str(error))
        except Exception as error:  # a bug in a writer must not end the audit for good
            log.exception("audit %s: a batch failed", self.plugin)
            self.failing = True
            self._lose(len(batch), type(error).__name__)
        else:
            self.failing = False
