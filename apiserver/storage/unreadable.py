"""What the store holds but nobody here can read: values sealed with a lost key, damaged ones.

An object that can't be read must not look as if it were gone: controllers would act on that. So it is
remembered, and whoever asks for it, or for a collection it belongs to, is told its key instead.
Everything else is served.

Source: how k8s.io/apiserver/pkg/storage/etcd3 fails reads that it cannot transform.
"""

from __future__ import annotations

from apiserver.request import RequestInfo
from apiserver.storage.interface import StorageError
from apiserver.storage.keys import Place, key_of
from wherry.api.scheme import Resource

_BY_NAME = "metadata.name="


class Unreadable(StorageError):
    """An object is there and can't be read; the text names its key."""

    def __init__(self, place: Place, why: str) -> None:
        key = key_of(*place).decode()
        super().__init__(f'unable to transform key "{key}": {why}')


class Unreadables:
    """The unreadable objects, as of now. False when there are none, as nearly always."""

    def __init__(self) -> None:
        self._found: dict[Resource, dict[tuple[str, str], str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def note(self, place: Place, why: str) -> None:
        self._found.setdefault(place.resource, {})[place.namespace, place.name] = why

    def forget(self, place: Place) -> None:
        """It was written anew, or deleted."""
        found = self._found.get(place.resource)
        if found is not None:
            found.pop((place.namespace, place.name), None)
            if not found:
                del self._found[place.resource]

    def check(self, info: RequestInfo) -> None:
        """Raise Unreadable when a request would have to read one of them. Creating is no reading."""
        found = self._found.get(info.resource) if info.resource is not None else None
        if not found or info.resource is None or info.verb == "create":
            return
        name = info.name
        if not name and info.field_selector.startswith(_BY_NAME):
            name = info.field_selector.removeprefix(_BY_NAME)  # as kubelets watch one secret
        for (namespace, other), why in found.items():
            if name not in ("", other) or info.namespace not in ("", namespace):
                continue
            raise Unreadable(Place(info.resource, namespace, other), why)


def reason(value: bytes) -> str:
    """Why a value is no object of ours, without a byte of it."""
    if value.startswith(b"k8s:enc:"):
        return "identity transformer tried to read encrypted data, or none of the keys opens it"
    return "the stored data is no object as this server writes them"
