"""Forgetting the store's old revisions, as upstream's API servers do: every five minutes, up to what
was newest five minutes ago.

Several API servers may do it at once; the later ones find it done. Nothing else of the store is tidied
here (defragmentation is etcd's operator's business).
"""

from __future__ import annotations

import logging

from apiserver.storage.interface import Storage, StorageError
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

COMPACT_SECONDS = 300.0  # upstream's --etcd-compaction-interval


async def compact_for_ever(
    storage: Storage, clock: Clock, seconds: float = COMPACT_SECONDS
) -> None:
    """Run beside the cache; `seconds=0` never compacts."""
    if not seconds:
        return
    before = 0
    while True:
        await clock.sleep(seconds)
        try:
            newest = await storage.revision()
            if before:
                await storage.compact(before)
                log.info("compacted the store up to revision %d", before)
            before = newest
        except StorageError as error:
            log.warning("could not compact the store: %s", error)
