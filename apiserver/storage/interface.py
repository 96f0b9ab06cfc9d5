"""The seam between the API server and whatever keeps its bytes.

Keys and values are bytes, revisions are ints; nothing here knows of objects, JSON or HTTP. There are
two implementations, `etcd.py` (the real one) and `memory.py` (for tests); one contract test suite
holds both to the promises below.

Promises: one write makes exactly one new revision of the whole store; a watch delivers every change
above its start once, in order, never half a revision.

Errors are a closed tree:

    StorageError
    ├── KeyExists            create found the key
    ├── KeyMissing           update or delete did not find it
    ├── RevisionConflict     update or delete found another revision (`current` is what it found)
    ├── Compacted            the revision asked for is gone
    ├── FutureRevision       the revision asked for is yet to come
    ├── ValueTooLarge
    ├── StorageFull          writes are refused until somebody makes room; reads go on
    └── StorageUnavailable   no answer in time; a write has not happened
        └── OutcomeUnknown   no answer to a write, which may or may not have happened
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class StorageError(Exception):
    """Anything the store refuses or fails to do."""


class KeyExists(StorageError):
    """A create found the key."""


class KeyMissing(StorageError):
    """An update or delete did not find the key."""


class RevisionConflict(StorageError):
    """An update or delete expected another revision than the one it found."""

    def __init__(self, current: Entry) -> None:
        super().__init__(f"found revision {current.revision}")
        self.current = current


class Compacted(StorageError):
    """A read or watch asked for a revision that is no longer kept."""

    def __init__(self, oldest: int = 0) -> None:
        super().__init__(f"compacted up to revision {oldest}")
        self.oldest = oldest


class FutureRevision(StorageError):
    """A read asked for a revision that is not there yet."""


class ValueTooLarge(StorageError):
    """The value is above the store's limit."""


class StorageFull(StorageError):
    """The store has no space left and refuses writes."""


class StorageUnavailable(StorageError):
    """No answer, or none in time."""


class OutcomeUnknown(StorageUnavailable):
    """A write was sent and not answered: it may have happened."""


class Entry(NamedTuple):
    """A key's value and the revision that wrote it."""

    key: bytes
    value: bytes
    revision: int


class Page(NamedTuple):
    """Part of a range. `revision` is the store's at the read, `more` whether entries were left out."""

    entries: list[Entry]
    revision: int
    more: bool
    remaining: int


class Change(NamedTuple):
    """What one revision did to one key; `value` is None when it deleted it."""

    key: bytes
    value: bytes | None
    revision: int


class Status(NamedTuple):
    """What the store says about itself."""

    version: str
    size_bytes: int
    alarms: tuple[str, ...]


class Storage(Protocol):
    """A revisioned key-value store. `revision=0` means the newest one."""

    async def get(self, key: bytes) -> Entry | None: ...

    async def range(self, start: bytes, end: bytes, *, limit: int = 0, revision: int = 0) -> Page:
        """Entries with `start <= key < end` in key order, at one revision; `limit=0`: all."""

    async def revision(self) -> int:
        """The newest revision, as of some moment during the call (a quorum agrees)."""

    async def create(self, key: bytes, value: bytes, *, lease: int = 0) -> int:
        """Write a key that must not exist; the new revision."""

    async def update(self, key: bytes, value: bytes, *, expected: int, lease: int = 0) -> int:
        """Write a key that must be at revision `expected`; the new revision."""

    async def delete(self, key: bytes, *, expected: int) -> int:
        """Remove a key that must be at revision `expected`; the new revision."""

    def watch(self, *, after: int) -> AsyncIterator[list[Change]]:
        """Changes of all keys above revision `after`, for ever. Ends only by raising."""

    async def grant_lease(self, seconds: int) -> int:
        """A lease that keys can hang on; they vanish with it."""

    async def compact(self, revision: int) -> None:
        """Forget history below `revision`. Compacting what is compacted is no error."""

    async def status(self) -> Status: ...

    async def close(self) -> None: ...
