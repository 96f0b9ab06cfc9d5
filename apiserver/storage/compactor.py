"""Forgetting the store's old revisions, as upstream's API servers do: every five minutes, up to what
was newest five minutes ago.

Of several API servers one does it at a time: whoever first changes upstream's key in the store, which
holds the revision that was newest then. The others learn from it and try again a round later, so each
revision is kept for a round at least, whoever comes and goes. Defragmentation is not done here.

Source: k8s.io/apiserver/pkg/storage/etcd3/compact.go.
"""

from __future__ import annotations

import logging

from apiserver.storage.interface import (
    KeyExists,
    KeyMissing,
    RevisionConflict,
    Storage,
    StorageError,
)
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

COMPACT_SECONDS = 300.0  # upstream's --etcd-compaction-interval
KEY = b"compact_rev_key"


class Compactor:
    """Knows the key as it was a round ago."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._key_revision = 0
        self._newest_then = 0

    async def round(self) -> int:
        """Compact if nobody else did since the last round; up to which revision (0: not at all)."""
        newest = await self._storage.revision()
        value = b"%d" % newest
        try:
            if self._key_revision:
                changed = await self._storage.update(KEY, value, expected=self._key_revision)
            else:
                changed = await self._storage.create(KEY, value)
        except RevisionConflict as conflict:
            self._learn(conflict.current.revision, conflict.current.value)
            return 0
        except KeyExists:
            found = await self._storage.get(KEY)
            if found is not None:
                self._learn(found.revision, found.value)
            return 0
        except KeyMissing:  # the store was emptied
            self._learn(0, b"")
            return 0
        upto, self._key_revision, self._newest_then = self._newest_then, changed, newest
        if upto:
            await self._storage.compact(upto)
        return upto

    def _learn(self, revision: int, value: bytes) -> None:
        self._key_revision = revision
        self._newest_then = int(value) if value.isdigit() else 0


async def compact_for_ever(
    storage: Storage, clock: Clock, seconds: float = COMPACT_SECONDS
) -> None:
    """Run beside the cache; `seconds=0` never compacts."""
    if not seconds:
        return
    compactor = Compactor(storage)
    while True:
        await clock.sleep(seconds)
        try:
            upto = await compactor.round()
        except StorageError as error:
            log.warning("could not compact the store: %s", error)
        else:
            if upto:
                log.info("compacted the store up to revision %d", upto)
