"""Admission: who may change or refuse a write after it is authorized and before it is stored.

An admission plug-in is a function on the decoded tree. It reads other objects through `Lister`
(the watch cache), never by I/O of its own. What it has to say without refusing goes to the request:
`Attributes.warn` to the client, `Attributes.annotate` to the audit log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from apiserver.request import User
from wherry.api.scheme import Resource

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


class Lister(Protocol):
    """Reads decoded objects from memory. Never change what it returns."""

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None: ...

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]: ...

    def each(
        self, resource: Resource, namespace: str = ""
    ) -> tuple[int, Iterator[Mapping[str, Any]]]:
        """How many there are, and they, each parsed when its turn comes."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """One write, or one CONNECT (exec, attach, portforward, proxy).

    tree:        the object; what a subresource is given (Binding, Eviction, TokenRequest), its options
                 for CONNECT; None for DELETE
    old:         the object before; None for CREATE and CONNECT
    warnings:    the request's own list: it reaches the client as Warning headers
    annotations: the request's own mapping: it reaches the audit log
    """

    operation: Operation
    resource: Resource
    subresource: str
    namespace: str
    name: str
    tree: dict[str, Any] | None
    old: Mapping[str, Any] | None
    user: User
    dry_run: bool
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        """Tell the client, once, however often the write is tried."""
        if text not in self.warnings:
            self.warnings.append(text)

    def annotate(self, key: str, value: str) -> None:
        """Note something in the audit log, should there be one."""
        self.annotations[key] = value


class Plugin:
    """A plug-in with nothing to say, to be derived from.

    about: the resources it is asked about; None = every one. A method that is not overridden is never
           called.
    """

    name: ClassVar[str]
    about: ClassVar[frozenset[Resource] | None] = None

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        """May change `attributes.tree`, or refuse (ApiError, mostly Forbidden). Before validation."""

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        """May only refuse. After validation."""
