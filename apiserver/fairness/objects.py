"""FlowSchemas and PriorityLevelConfigurations as the watch cache knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.storage.cache import WatchCache
from apiserver.system_objects import FLOW_SCHEMAS, PRIORITY_LEVELS


class CachedObjects:
    """See `fairness.Objects`."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._lister = cache.lister()

    def stamp(self) -> object:
        windows = (self._cache.window(FLOW_SCHEMAS), self._cache.window(PRIORITY_LEVELS))
        return [[cached.revision for cached in window.select()] for window in windows]

    def schemas(self) -> list[Mapping[str, Any]]:
        return self._lister.list(FLOW_SCHEMAS)

    def levels(self) -> list[Mapping[str, Any]]:
        return self._lister.list(PRIORITY_LEVELS)
