"""Has the cache caught up with what we ourselves wrote last?

A controller that keeps count in a status must not decide on one from before its own last write: it
would count, or make, a thing twice. So each write is noted by its resourceVersion, and a key is left
alone until the cache shows that state; the cache's own event brings the key back. At the beginning
of a term nothing is noted, and the server itself is asked once: an earlier leader may have written.

Source: upstream's consistency store (pkg/controller/util/consistency); resourceVersions of one
resource are comparable as numbers (KEP-5504).
"""

from __future__ import annotations

from typing import TypeVar

from controller_manager.ownership import metadata_of
from wherry.api.errors import ApiError
from wherry.api.model import TypedModel
from wherry.client.rest import Client
from wherry.client.store import key_of

M = TypeVar("M", bound=TypedModel)


class OwnWrites:
    """By key, the newest state known for sure. Bounded by the objects: `forget` those that go."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[str, int]] = {}  # (uid, resourceVersion)

    def note(self, written: TypedModel) -> None:
        """`written` is what the server answered."""
        metadata = metadata_of(written)
        self._newest[key_of(written)] = (metadata.uid, _number(metadata.resource_version))

    def is_known(self, obj: TypedModel) -> bool:
        """Is there a state of this very object that the cache can be held against?"""
        uid, _ = self._newest.get(key_of(obj), ("", 0))
        return uid == metadata_of(obj).uid

    def is_shown(self, cached: TypedModel) -> bool:
        """Is the cached object at least as new as what is known of it?"""
        metadata = metadata_of(cached)
        uid, newest = self._newest.get(key_of(cached), ("", 0))
        return uid != metadata.uid or _number(metadata.resource_version) >= newest

    async def caught_up(self, client: Client, cached: M) -> bool:
        """May be decided on `cached`? The server is asked when nothing is known of the object."""
        if not self.is_known(cached):
            metadata = metadata_of(cached)
            try:
                fresh = await client.get(type(cached), metadata.name, metadata.namespace)
            except ApiError as error:
                if error.code != 404:
                    raise
                return False  # it is gone, and the cache will hear of it
            if metadata_of(fresh).uid != metadata.uid:
                return False
            self.note(fresh)
        return self.is_shown(cached)

    def forget(self, key: str) -> None:
        self._newest.pop(key, None)

    def clear(self) -> None:
        """Forget all: a new term of leading begins."""
        self._newest.clear()


def _number(resource_version: str) -> int:
    """0 for one that is no number: then nothing can be told, and nothing is held back."""
    return int(resource_version) if resource_version.isdigit() else 0
