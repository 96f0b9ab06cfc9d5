"""Admission: who may change or refuse a write after it is authorized and before it is stored.

An admission plug-in is a function on the decoded tree. It reads other objects through `Lister`
(the watch cache), never by I/O of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from apiserver.request import User
from wherry.api.scheme import Resource

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


class Lister(Protocol):
    """Reads decoded objects from memory. Never change what it returns."""

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None: ...

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Attributes:
    """One write. `tree` is None for DELETE, `old` is None for CREATE."""

    operation: Operation
    resource: Resource
    subresource: str
    namespace: str
    name: str
    tree: dict[str, Any] | None
    old: Mapping[str, Any] | None
    user: User
    dry_run: bool


class AdmissionPlugin(Protocol):
    """Both raise `wherry.api.errors.ApiError` (mostly Forbidden) to refuse."""

    name: str

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        """May change `attributes.tree`. Runs before defaults are validated."""

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        """May only refuse. Runs after validation."""
