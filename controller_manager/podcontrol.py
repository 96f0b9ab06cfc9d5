"""Creates and deletes an owner's pods: many at once, with events and expectations.

Creations go in growing batches, and the first batch with a refusal is the last: when a quota is
spent, few attempts are wasted. What is asked for is expected until the cache has shown it. A creation
that went unanswered (the API server died, a time-out) stays expected, until the server is asked
whether the pod is there: a second one in its place would be one too many.

Source of the behaviour: upstream's RealPodControl and slowStartBatch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from controller_manager import pods
from controller_manager.executor import is_namespace_terminating
from controller_manager.ownership import controller_of
from controller_manager.ownwrites import Refusal, is_unanswered
from controller_manager.plan import Patch
from controller_manager.replicaset.expectations import Expectations
from controller_manager.replicaset.plan import slow_start
from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError
from wherry.api.model import TypedModel
from wherry.client.events import EventRecorder
from wherry.client.rest import Client
from wherry.client.transport import ApiUnavailable
from wherry.client.workqueue import WorkQueue
from wherry.daemon.clock import Clock

POD_WRITES_MAX = 32  # under way at once, over all owners of one controller


@dataclass(frozen=True, slots=True)
class Outcome:
    """done: how many pods were made or deleted. error: the first refusal, if any."""

    done: int = 0
    error: Refusal | None = None


class PodControl:
    """The pods of one controller's objects, named by the objects' keys."""

    def __init__(self, client: Client, recorder: EventRecorder, clock: Clock) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._writes = asyncio.Semaphore(POD_WRITES_MAX)
        self._doubts: dict[str, list[Pod]] = {}  # by owner; as many as one pass makes
        self.expectations = Expectations()

    def begin_term(self) -> None:
        """What an earlier term of ours hoped for is past."""
        self.expectations.clear()
        self._doubts.clear()

    def forget(self, key: str) -> None:
        """The owner is gone, or is another one of its name."""
        self.expectations.forget(key)
        self._doubts.pop(key, None)

    async def resolve(self, key: str) -> None:
        """Ask for the pods whose creation went unanswered. ApiUnavailable when nobody answers."""
        doubts = self._doubts.get(key)
        while doubts:
            metadata = doubts[-1].metadata
            try:
                await self._client.get(Pod, metadata.name, metadata.namespace)
            except ApiError as error:
                if error.code != 404:
                    raise
                self.expectations.created(key)  # it will not be seen
            doubts.pop()
        self._doubts.pop(key, None)

    def fulfilled(self, key: str) -> bool:
        return self.expectations.fulfilled(key, self._clock.monotonic())

    async def create(self, key: str, owner: TypedModel, wanted: Sequence[Pod]) -> Outcome:
        """Make the pods, each named. A namespace that goes is no error, but nothing is made."""
        if not wanted:
            return Outcome()
        self.expectations.expect_creations(key, len(wanted), self._clock.monotonic())
        made = tried = doubtful = 0
        error: Refusal | None = None
        try:
            for size in slow_start(len(wanted)):
                batch = wanted[tried : tried + size]
                results = await asyncio.gather(*(self._create_one(owner, pod) for pod in batch))
                tried += size
                refusals = [result for result in results if result is not None]
                made += size - len(refusals)
                unanswered = [
                    pod
                    for pod, result in zip(batch, results, strict=True)
                    if result is not None and is_unanswered(result)
                ]
                if unanswered:
                    doubtful += len(unanswered)
                    self._doubts.setdefault(key, []).extend(unanswered)
                if refusals:
                    error = refusals[0]
                    break
        finally:
            unseen = len(wanted) - made - doubtful
            if unseen:  # these will not be seen: do not wait for them
                self.expectations.created(key, unseen)
        return Outcome(made, None if error is not None and namespace_goes(error) else error)

    async def _create_one(self, owner: TypedModel, pod: Pod) -> Refusal | None:
        async with self._writes:
            try:
                made = await self._client.create(pod)
            except (ApiError, ApiUnavailable) as error:
                if not (is_already_there(error) or namespace_goes(error)):
                    message = f"Error creating: {error}"
                    self._recorder.event(owner, "Warning", "FailedCreate", message)
                return error
        message = f"Created pod: {made.metadata.name}"
        self._recorder.event(owner, "Normal", "SuccessfulCreate", message)
        return None

    async def delete(self, key: str, owner: TypedModel, doomed: Sequence[Pod]) -> Outcome:
        """Delete the pods; one that is gone counts as deleted."""
        if not doomed:
            return Outcome()
        uids = [pod.metadata.uid for pod in doomed]
        self.expectations.expect_deletions(key, uids, self._clock.monotonic())
        results = await asyncio.gather(*(self._delete_one(key, owner, pod) for pod in doomed))
        refusals = [result for result in results if result is not None]
        return Outcome(len(doomed) - len(refusals), refusals[0] if refusals else None)

    async def _delete_one(self, key: str, owner: TypedModel, pod: Pod) -> Refusal | None:
        metadata = pod.metadata
        async with self._writes:
            try:
                await self._client.delete(Pod, metadata.name, metadata.namespace, uid=metadata.uid)
            except (ApiError, ApiUnavailable) as error:
                self.expectations.deleted(key, metadata.uid)
                if isinstance(error, ApiError) and error.code == 404:
                    return None
                message = f"Error deleting: {error}"
                self._recorder.event(owner, "Warning", "FailedDelete", message)
                return error
        message = f"Deleted pod: {metadata.name}"
        self._recorder.event(owner, "Normal", "SuccessfulDelete", message)
        return None

    async def patch(self, patches: Sequence[Patch]) -> Refusal | None:
        """Change pods side by side; one that is gone is fine."""
        results = await asyncio.gather(*(self._patch_one(patch) for patch in patches))
        return next((result for result in results if result is not None), None)

    async def _patch_one(self, patch: Patch) -> Refusal | None:
        async with self._writes:
            try:
                await self._client.patch(
                    patch.model, patch.name, patch.namespace, patch.patch, type=patch.type
                )
            except (ApiError, ApiUnavailable) as error:
                return None if isinstance(error, ApiError) and error.code in (404, 409) else error
        return None


class PodWatch:
    """Turns changes of pods into keys of their owners of one kind.

    Meets the owners' expectations on the way. An orphan wakes those whose selector matches it.
    """

    def __init__(
        self,
        kind: str,
        queue: WorkQueue[str],
        expectations: Expectations,
        adopters: Callable[[Pod], Iterable[str]],
    ) -> None:
        self._kind = kind
        self._queue = queue
        self._expectations = expectations
        self._adopters = adopters

    def on_pod(self, before: Pod | None, after: Pod | None) -> None:
        owner = owner_key(after or before, self._kind)
        previous = owner_key(before, self._kind)
        if previous and previous != owner:
            self._queue.add(previous)
        if owner:
            changed = after or before
            if before is None:
                self._expectations.created(owner)
            if changed is not None and (after is None or pods.is_terminating(after)):
                self._expectations.deleted(owner, changed.metadata.uid)
            self._queue.add(owner)
        elif after is not None and (
            before is None or previous or before.metadata.labels != after.metadata.labels
        ):
            for key in self._adopters(after):
                self._queue.add(key)


def owner_key(pod: Pod | None, kind: str) -> str:
    """The key of the pod's controller; empty when none of the kind controls it."""
    reference = None if pod is None else controller_of(pod.metadata)
    if pod is None or reference is None or reference.kind != kind:
        return ""
    return f"{pod.metadata.namespace}/{reference.name}"


def is_already_there(error: Refusal) -> bool:
    """The cache was behind: the pod exists under the name that what was seen led to."""
    return isinstance(error, ApiError) and error.reason == "AlreadyExists"


def namespace_goes(error: Refusal) -> bool:
    return isinstance(error, ApiError) and is_namespace_terminating(error)
