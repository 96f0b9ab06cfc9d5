"""Where objects lie in the store: `/registry/<resource>/<namespace>/<name>`, as upstream's.

The exceptions (`minions`, `services/specs`, ...) are in the resources' descriptors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from wherry.api.scheme import Resource

ROOT = b"/registry/"
ROOT_END = b"/registry0"


class Place(NamedTuple):
    """What a key names. `namespace` is empty for cluster-scoped objects."""

    resource: Resource
    namespace: str
    name: str


def key_of(resource: Resource, namespace: str, name: str) -> bytes:
    """The store's key of one object."""
    path = f"{namespace}/{name}" if resource.namespaced else name
    return f"/registry/{resource.storage_prefix}/{path}".encode()


def path_of(namespace: str, name: str) -> str:
    """An object's key below its resource's prefix; lists are in the byte order of these."""
    return f"{namespace}/{name}" if namespace else name


def range_of(resource: Resource, namespace: str, after: str = "") -> tuple[bytes, bytes]:
    """The range of a collection, or of what follows the path `after` in it."""
    prefix = f"/registry/{resource.storage_prefix}/"
    scope = f"{prefix}{namespace}/" if namespace else prefix
    start = f"{prefix}{after}\0" if after else scope
    return start.encode(), (scope[:-1] + "0").encode()  # "0" is what follows "/"


class KeyReader:
    """Reads keys back. Keys of nothing that is served are None."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_prefix = {r.storage_prefix: r for r in resources if r.stored}

    def read(self, key: bytes) -> Place | None:
        if not key.startswith(ROOT):
            return None
        parts = key[len(ROOT) :].decode(errors="replace").split("/")
        resource = self._by_prefix.get(parts[0])
        rest = parts[1:]
        if resource is None and rest:
            resource = self._by_prefix.get(f"{parts[0]}/{rest[0]}")
            rest = rest[1:]
        if resource is None or len(rest) != (2 if resource.namespaced else 1):
            return None
        return Place(resource, rest[0] if resource.namespaced else "", rest[-1])
