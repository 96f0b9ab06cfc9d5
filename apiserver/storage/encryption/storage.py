"""A store whose values are sealed as the encryption configuration says.

It stands right before the real store, so that the key a value is authenticated with is the one it has
there. What can't be opened stays as it is and is named in the log: whoever reads it sees that it is
no object (`storage/cache.py` then refuses to answer for it), and all others are served.

A value sealed by another than the first cipher is *outdated*: the next update writes it anew even if it
changes nothing. That is how keys are rotated.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable

from apiserver.storage.encryption.ciphers import Ciphers, Unopened
from apiserver.storage.encryption.config import EncryptionRules
from apiserver.storage.interface import (
    Change,
    Compacted,
    Entry,
    Page,
    RevisionConflict,
    Status,
    Storage,
)
from wherry.api.scheme import Resource

log = logging.getLogger(__name__)

# What was done and how it went, as metrics name it.
_SEALED, _OPENED, _UNOPENED = (
    ("to_storage", "OK"), ("from_storage", "OK"), ("from_storage", "Internal"),
)  # fmt: skip


class EncryptedStorage:
    """See the module. `prefix` is --etcd-prefix: keys are `<prefix>/<resource>/...`."""

    def __init__(
        self, storage: Storage, rules: EncryptionRules, resources: Iterable[Resource], prefix: str
    ) -> None:
        self._storage = storage
        self._prefix = f"{prefix}/".encode()
        self._resources = [resource for resource in resources if resource.stored]
        self._ciphers = self._table(rules)
        # Bounded by what is stored: keys of the configured resources alone.
        self._outdated: set[bytes] = set()
        self._unopened: set[bytes] = set()
        self._read_anew = False
        self.counts = {_SEALED: 0, _OPENED: 0, _UNOPENED: 0}

    @property
    def outdated_count(self) -> int:
        return len(self._outdated)

    @property
    def unopened_count(self) -> int:
        return len(self._unopened)

    def outdated(self, key: bytes) -> bool:
        """Whether a value should be written anew though nothing changed. `key` as the registry's."""
        return b"%b%b" % (self._prefix, key.split(b"/", 2)[2]) in self._outdated

    def reconfigure(self, rules: EncryptionRules) -> None:
        """Take up a new configuration. All is read anew: what was sealed with which key may differ."""
        self._ciphers = self._table(rules)
        self._read_anew = True

    def _table(self, rules: EncryptionRules) -> dict[bytes, Ciphers]:
        found = ((one.storage_prefix, rules.of(one)) for one in self._resources)
        return {prefix.encode(): ciphers for prefix, ciphers in found if ciphers is not None}

    def _ciphers_of(self, key: bytes) -> Ciphers | None:
        if not key.startswith(self._prefix):
            return None
        parts = key[len(self._prefix) :].split(b"/", 2)
        found = self._ciphers.get(parts[0])
        if found is None and len(parts) > 2:
            found = self._ciphers.get(b"%b/%b" % (parts[0], parts[1]))
        return found

    def _seal(self, key: bytes, value: bytes) -> bytes:
        ciphers = self._ciphers_of(key)
        if ciphers is None:
            return value
        self.counts[_SEALED] += 1
        return ciphers.seal(value, key)

    def _open(self, key: bytes, value: bytes) -> bytes:
        """The value; itself when nothing opens it."""
        ciphers = self._ciphers_of(key)
        if ciphers is None:
            return value
        try:
            opened, outdated = ciphers.open(value, key)
        except Unopened as error:
            self.counts[_UNOPENED] += 1
            self._outdated.discard(key)
            if key not in self._unopened:
                self._unopened.add(key)
                name = key.decode(errors="replace")
                log.error("unable to transform key %r: %s", name, error)
            return value
        self.counts[_OPENED] += 1
        self._unopened.discard(key)
        if outdated:
            self._outdated.add(key)
        else:
            self._outdated.discard(key)
        return opened

    def _forget(self, key: bytes) -> None:
        self._outdated.discard(key)
        self._unopened.discard(key)

    def _opened(self, entry: Entry) -> Entry:
        return entry._replace(value=self._open(entry.key, entry.value))

    async def get(self, key: bytes) -> Entry | None:
        found = await self._storage.get(key)
        return found and self._opened(found)

    async def range(self, start: bytes, end: bytes, *, limit: int = 0, revision: int = 0) -> Page:
        page = await self._storage.range(start, end, limit=limit, revision=revision)
        return page._replace(entries=[self._opened(entry) for entry in page.entries])

    async def revision(self) -> int:
        return await self._storage.revision()

    async def create(self, key: bytes, value: bytes, *, lease: int = 0) -> int:
        return await self._storage.create(key, self._seal(key, value), lease=lease)

    async def update(self, key: bytes, value: bytes, *, expected: int, lease: int = 0) -> int:
        try:
            sealed = self._seal(key, value)
            return await self._storage.update(key, sealed, expected=expected, lease=lease)
        except RevisionConflict as error:
            raise RevisionConflict(self._opened(error.current)) from error

    async def delete(self, key: bytes, *, expected: int) -> int:
        try:
            return await self._storage.delete(key, expected=expected)
        except RevisionConflict as error:
            raise RevisionConflict(self._opened(error.current)) from error

    async def watch(self, *, after: int) -> AsyncIterator[list[Change]]:
        self._read_anew = False
        async for batch in self._storage.watch(after=after):
            if self._read_anew:
                raise Compacted
            yield [self._changed(change) for change in batch]

    def _changed(self, change: Change) -> Change:
        if change.value is None:
            if self._ciphers_of(change.key) is not None:
                self._forget(change.key)
            return change
        opened = self._open(change.key, change.value)
        return change if opened is change.value else change._replace(value=opened)

    async def grant_lease(self, seconds: int) -> int:
        return await self._storage.grant_lease(seconds)

    async def compact(self, revision: int) -> None:
        await self._storage.compact(revision)

    async def status(self) -> Status:
        return await self._storage.status()

    async def close(self) -> None:
        await self._storage.close()
