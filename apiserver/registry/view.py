"""A kind in a second version: what turns its objects into their stored form and back. Pure.

The list of views is in `views.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from wherry.api.errors import FieldError
from wherry.api.scheme import Resource

Tree = dict[str, Any]


class View:
    """Both conversions are given a tree of their own to change, and may leave fields out of order."""

    resource: ClassVar[Resource]
    stored: ClassVar[Resource]
    # The selectable fields that have other names in the stored form.
    fields: ClassVar[Mapping[str, str]] = {}

    def to_stored(self, tree: Tree) -> Tree:
        """A decoded object of `resource` as one of `stored`."""
        raise NotImplementedError

    def from_stored(self, tree: Tree) -> Tree:
        """A decoded object of `stored` as one of `resource`."""
        raise NotImplementedError

    def check(self, tree: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[FieldError]:
        """What this version refuses beyond what the stored one does; trees are in stored form."""
        return []
