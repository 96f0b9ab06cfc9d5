"""Kinds served in a second version: seen so, stored as the first.

A `View` turns decoded trees into the form they are stored in and back, at the edge. Everything behind
the handlers (defaults, admission, validation, storage) knows the stored version only; `managedFields`
name it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from apiserver.registry.autoscaling.version1 import HorizontalPodAutoscalerV1
from wherry.api.scheme import Resource

Tree = dict[str, Any]


class View(Protocol):
    """Both functions are given a tree of their own to change, and may leave fields out of order."""

    resource: Resource
    stored: Resource

    def to_stored(self, tree: Tree) -> Tree:
        """A decoded object of `resource` as one of `stored`."""

    def from_stored(self, tree: Tree) -> Tree:
        """A decoded object of `stored` as one of `resource`."""


def _views(*views: View) -> Mapping[Resource, View]:
    return MappingProxyType({view.resource: view for view in views})


VIEWS: Final = _views(HorizontalPodAutoscalerV1())
