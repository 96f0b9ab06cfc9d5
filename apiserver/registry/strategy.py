"""A strategy: all that one kind's storage needs to know beyond what every kind shares.

The registry owns the order of events (see `store.py`); a strategy only answers. Its hooks are pure
functions on decoded JSON trees in canonical form. They may change the tree they are handed as
`tree`, which is the caller's own; never `old`, which is shared.

Source: rest.RESTCreateStrategy, RESTUpdateStrategy of k8s.io/apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from apiserver.request import RequestContext
from wherry.api.errors import FieldError
from wherry.api.scheme import Resource

Tree = dict[str, Any]


class Column(NamedTuple):
    """A Table column. Source: metav1.TableColumnDefinition."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class Strategy:
    """The behaviour of a kind without any peculiarity; kinds override what differs."""

    resource: ClassVar[Resource]
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Name", format="name"),
        Column("Created At", type="date"),
    )
    # A PUT without resourceVersion is allowed and wins.
    allow_unconditional_update: ClassVar[bool] = True
    # A PUT of a missing object creates it.
    allow_create_on_update: ClassVar[bool] = False
    # A delete waits for someone (a kubelet) for this long unless told otherwise; None: at once.
    has_grace_period: ClassVar[bool] = False
    # `metadata.generation` counts changes of everything but metadata and status.
    has_generation: ClassVar[bool] = False
    # `allocate` looks at the kind's other objects; the registry holds a lock around such writes.
    allocates: ClassVar[bool] = False
    # What becomes of dependents when neither a deletion nor the object says: "" or "Orphan".
    default_propagation: ClassVar[str] = ""
    # The text of a `Warning` header on a deletion that leaves that to the default.
    orphaning_warning: ClassVar[str] = ""
    # The text of a `Warning` header on every answer about the kind.
    deprecation: ClassVar[str] = ""

    def default(self, tree: Tree) -> None:
        """Write upstream's defaults into fields the client left empty."""

    def allocate(
        self,
        tree: Tree,
        old: Mapping[str, Any] | None,
        others: Callable[[], Iterable[Mapping[str, Any]]],
    ) -> None:
        """Give the object numbers that no other one has, before it is prepared and validated.

        `others` are the kind's other objects, in all namespaces. ApiError when it can't be done.
        """

    def prepare_for_create(self, tree: Tree) -> None:
        """Drop what a creator may not set (status)."""

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        """Restore what an updater of the main resource may not change (status)."""

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        """Restore what an updater of the status subresource may not change."""

    def prepare_for_finalize(self, tree: Tree, old: Mapping[str, Any]) -> None:
        """Restore what an updater of the finalize subresource may not change."""

    def prepare_for_part(self, part: str, tree: Tree, old: Mapping[str, Any]) -> None:
        """Restore what an updater of another subresource (`approval`, ...) may not change."""

    def stamp(self, tree: Tree, old: Mapping[str, Any] | None, ctx: RequestContext) -> None:
        """Write who asked and when, for kinds that tell; after the object is prepared."""

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        """Why this is no name for the kind; `prefix` when it is a generateName."""
        raise NotImplementedError

    def validate(self, tree: Tree) -> list[FieldError]:
        """What is wrong with a new object, apart from its metadata."""
        return []

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        """What is wrong with a change, apart from metadata."""
        return self.validate(tree)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return []

    def validate_part_update(
        self, part: str, tree: Tree, old: Mapping[str, Any]
    ) -> list[FieldError]:
        """What is wrong with a change through another subresource, apart from metadata."""
        return self.validate_update(tree, old)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        """Texts for `Warning` headers."""
        return []

    def grace_period(self, tree: Mapping[str, Any], asked: int | None) -> int:
        """Seconds a deletion waits, when `has_grace_period`."""
        return 0

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        """The values of `resource.fields` (metadata.name and namespace are added by the caller)."""
        return {}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        """The cells of a Table row, one for each column."""
        metadata = tree["metadata"]
        return (metadata["name"], metadata.get("creationTimestamp"))
