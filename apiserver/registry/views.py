"""Kinds served in a second version: seen so, stored as the first.

A `View` turns decoded trees into the form they are stored in and back, at the edge. Everything behind
the handlers (defaults, admission, validation, storage) knows the stored version only; `managedFields`
name it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from apiserver.registry.autoscaling.version1 import HorizontalPodAutoscalerV1
from apiserver.registry.events.event import NewEvent
from apiserver.registry.view import View
from wherry.api.scheme import Resource


def _views(*views: View) -> Mapping[Resource, View]:
    return MappingProxyType({view.resource: view for view in views})


VIEWS: Final[Mapping[Resource, View]] = _views(HorizontalPodAutoscalerV1(), NewEvent())
