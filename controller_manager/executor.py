"""Carries out a plan: the one place where controllers write to the API.

In order, and the first refusal ends it: the caller's queue brings the key back, and the next plan
starts from what is true then. Deleting or patching what is gone already counts as done.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from controller_manager.plan import Action, Create, Delete, Emit, Patch, Update
from wherry.api.errors import ApiError
from wherry.api.model import TypedModel
from wherry.client.events import EventRecorder
from wherry.client.rest import Client

log = logging.getLogger(__name__)

NAMESPACE_TERMINATING = "NamespaceTerminating"


class CreateRefused(Exception):
    """The API refused to create what a plan wanted, for a reason that a person should hear of."""

    def __init__(self, action: Create, error: ApiError) -> None:
        super().__init__(error.message)
        self.action = action
        self.error = error


class NamespaceGoes(Exception):
    """The object's namespace is being deleted: nothing new is made there, and none is needed."""


def is_namespace_terminating(error: ApiError) -> bool:
    return any(cause.get("reason") == NAMESPACE_TERMINATING for cause in error.causes)


class Executor:
    """Executes plans in the name of one controller."""

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    async def execute(
        self, actions: Iterable[Action], note: Callable[[TypedModel], None] | None = None
    ) -> None:
        """Carry the plan out, telling `note` of each object created or updated, as it is now.

        ApiError or ApiUnavailable from the first action that fails.

        A refused creation is CreateRefused, unless the object exists already (409, ApiError) or its
        namespace is being deleted (NamespaceGoes).
        """
        for action in actions:
            written = await self._one(action)
            if written is not None and note is not None:
                note(written)

    async def _one(self, action: Action) -> TypedModel | None:
        """What was created or updated."""
        match action:
            case Create():
                return await self._create(action)
            case Update(object=changed, subresource=subresource):
                return await self._client.update(changed, subresource=subresource)
            case Patch() as p:
                await gone_is_done(
                    self._client.patch(
                        p.model, p.name, p.namespace, p.patch, type=p.type,
                        subresource=p.subresource,
                    )
                )  # fmt: skip
            case Delete() as d:
                await gone_is_done(
                    self._client.delete(
                        d.model, d.name, d.namespace, uid=d.uid or None,
                        grace_period_seconds=d.grace_period_seconds,
                        propagation_policy=d.propagation_policy,
                        resource_version=d.resource_version or None,
                    )
                )  # fmt: skip
            case Emit():
                self._recorder.event(action.about, action.type, action.reason, action.message)
        return None

    async def _create(self, action: Create) -> TypedModel | None:
        try:
            return await self._client.create(action.object)
        except ApiError as error:
            if is_namespace_terminating(error):
                raise NamespaceGoes from error
            if error.reason == "AlreadyExists" and action.exists_ok:
                return None
            if error.code == 409:
                raise
            raise CreateRefused(action, error) from error


async def gone_is_done(call: Awaitable[object]) -> None:
    """Await a write to an object that may be gone, or be another one of its name, by now."""
    try:
        await call
    except ApiError as error:
        if error.code != 404 and not is_uid_conflict(error):
            raise
        log.debug("gone already: %s", error)


def is_uid_conflict(error: ApiError) -> bool:
    """409 because a namesake with another uid has taken the object's place."""
    return error.code == 409 and "Precondition failed: UID in precondition" in error.message
