"""Which events are worth sending, and as what: pure, with time passed in.

Three steps, as upstream: events that say the same of the same object, in many wordings, become one
combined event; one that was sent before becomes a higher count on it; and an object that keeps
talking is limited to a burst and then one event per five minutes.

Source: k8s.io/client-go/tools/record events_cache.go.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from wherry.daemon.token_bucket import TokenBucket

K = TypeVar("K")
V = TypeVar("V")

CACHE_MAX = 4096
WORDINGS_MAX = 10
WORDINGS_SECONDS = 600.0
BURST = 25
REFILL_PER_SECOND = 1 / 300
COMBINED = "(combined from similar events): "


class Subject(NamedTuple):
    """What an event is about, and who says it."""

    component: str
    host: str
    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str
    field_path: str


class Note(NamedTuple):
    """What is said."""

    subject: Subject
    type: str
    reason: str
    message: str


@dataclass
class Sent:
    """An event that the server has."""

    name: str = ""
    count: int = 0


class Outcome(NamedTuple):
    """What to do: create an event (`sent.name` empty) or raise the count of a sent one."""

    message: str
    sent: Sent


@dataclass
class _Wordings:
    messages: set[str] = field(default_factory=set)
    last: float = 0.0


class _Recent(Generic[K, V]):
    """A map of at most CACHE_MAX entries that forgets the least recently used one."""

    def __init__(self) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> V:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > CACHE_MAX:
            self._entries.popitem(last=False)
        return value


class Correlator:
    """Remembers what was said lately."""

    def __init__(self) -> None:
        self._wordings: _Recent[tuple[Subject, str, str], _Wordings] = _Recent()
        self._sent: _Recent[Note, Sent] = _Recent()
        self._buckets: _Recent[Subject, TokenBucket] = _Recent()

    def correlate(self, note: Note, now: float) -> Outcome | None:
        """What to do about the note; None: nothing, its subject talks too much.

        The caller writes `name` into the outcome's `sent` when the server has it, and clears it
        when the server has lost it.
        """
        key, message = self._combine(note, now)
        sent = self._sent.get(key) or self._sent.put(key, Sent())
        sent.count += 1
        if not self._allowed(note.subject, now):
            return None
        return Outcome(message, sent)

    def _combine(self, note: Note, now: float) -> tuple[Note, str]:
        kind = (note.subject, note.type, note.reason)
        found = self._wordings.get(kind)
        if found is None or now - found.last > WORDINGS_SECONDS:
            found = self._wordings.put(kind, _Wordings())
        found.last = now
        if len(found.messages) < WORDINGS_MAX or note.message in found.messages:
            found.messages.add(note.message)
        if len(found.messages) < WORDINGS_MAX:
            return note, note.message
        return note._replace(message=COMBINED), COMBINED + note.message

    def _allowed(self, subject: Subject, now: float) -> bool:
        bucket = self._buckets.get(subject) or self._buckets.put(
            subject, TokenBucket(REFILL_PER_SECOND, BURST, now)
        )
        return bucket.take(now)
