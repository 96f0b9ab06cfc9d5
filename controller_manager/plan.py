"""What a controller decides to do: frozen records, no I/O.

A controller's `plan_*` functions map what was observed (and `now`) to a `Plan`; `executor.py` carries
it out in order and stops at the first refusal, so a later action may rely on the earlier ones. An
`Emit` stands behind the action it tells of: it is only said when that succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wherry.api.model import TypedModel


@dataclass(frozen=True, slots=True)
class Create:
    """Make the object; `exists_ok` when somebody else having made it is as good."""

    object: TypedModel
    exists_ok: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the object at the resourceVersion it carries. `subresource` may be status, finalize."""

    object: TypedModel
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """Change some fields of the object named. An object that is gone needs no patch."""

    model: type[TypedModel]
    namespace: str
    name: str
    patch: Mapping[str, Any]
    type: Literal["merge", "strategic"] = "strategic"
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the very object observed (`uid`), as it was if need be; one that is gone is fine."""

    model: type[TypedModel]
    namespace: str
    name: str
    uid: str = ""
    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell people by an Event about `about`."""

    about: TypedModel
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


Action = Create | Update | Patch | Delete | Emit


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order, and when to look again though nothing changed (seconds)."""

    actions: tuple[Action, ...] = ()
    requeue_after: float | None = None


NOTHING = Plan()
