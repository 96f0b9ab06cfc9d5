"""Tells people what a daemon did to an object, as Event objects.

`event()` never blocks and never fails: events are for people, the work must not wait for them. They
pass a bounded queue; when it is full the newest are dropped and counted. Sent one after the other:
that keeps their order, and in a burst leaves the API server to the work they tell of.

Source: k8s.io/client-go/tools/record.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from wherry.api.core_v1.event import Event, EventSource
from wherry.api.core_v1.reference import ObjectReference
from wherry.api.errors import ApiError
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import TypedModel, format_time
from wherry.api.scheme import resource_of
from wherry.client.correlator import Correlator, Note, Outcome, Subject
from wherry.client.rest import PATCH_TYPES, Client
from wherry.client.store import meta_of
from wherry.client.transport import ApiUnavailable
from wherry.daemon.backoff import Backoff

log = logging.getLogger(__name__)

PENDING_MAX = 8192
TRIES_MAX = 8
DRAIN_SECONDS_MAX = 2.0
MESSAGE_CHARS_MAX = 1024
_EVENTS = resource_of(Event)


class _Item(NamedTuple):
    """An event to send; its name is fixed, so that sending it twice makes one."""

    reference: ObjectReference
    note: Note
    at: datetime
    name: str


class EventRecorder:
    """Records events in the name of a component; `run` sends them."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(PENDING_MAX)
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many are noted and not sent."""
        return self._queue.qsize()

    def event(
        self,
        obj: TypedModel | ObjectReference,
        type: str,
        reason: str,
        message: str,
        *,
        field_path: str = "",
    ) -> None:
        """Note that something happened to `obj`: type Normal or Warning, CamelCase reason."""
        reference = obj if isinstance(obj, ObjectReference) else reference_to(obj)
        if field_path:
            reference = reference.with_(field_path=field_path)
        subject = Subject(
            self._component, self._host, reference.kind, reference.api_version,
            reference.namespace, reference.name, reference.uid, reference.field_path,
        )  # fmt: skip
        note = Note(subject, type, reason, message[:MESSAGE_CHARS_MAX])
        now = datetime.now(UTC)
        try:
            self._queue.put_nowait(
                _Item(reference, note, now, f"{reference.name}.{time.time_ns():x}")
            )
        except asyncio.QueueFull:
            self.dropped += 1
            if self.dropped.bit_count() == 1:  # said at 1, 2, 4, 8 ... drops
                log.warning("event queue is full, %d events dropped so far", self.dropped)

    async def run(self) -> None:
        """Send until cancelled; then send what is waiting, for a moment."""
        correlator = Correlator()
        interrupted: Outcome | None = None
        item: _Item | None = None
        try:
            while True:
                interrupted = item = None
                item = await self._queue.get()
                interrupted = correlator.correlate(item.note, time.monotonic())
                await self._deliver(item, interrupted)
        except asyncio.CancelledError:
            try:
                async with asyncio.timeout(DRAIN_SECONDS_MAX):
                    if item is not None:
                        await self._deliver(item, interrupted)
                    while not self._queue.empty():
                        item = self._queue.get_nowait()
                        outcome = correlator.correlate(item.note, time.monotonic())
                        await self._deliver(item, outcome)
            except TimeoutError:
                log.info("%d events were not sent", self._queue.qsize())
            raise

    async def _deliver(self, item: _Item, outcome: Outcome | None) -> None:
        if outcome is None:
            return
        backoff = Backoff(0.2, 2.0, 10.0)
        for _ in range(TRIES_MAX):
            try:
                await self._write(item, outcome)
            except ApiUnavailable as error:
                log.debug("event waits: %s", error)
                await asyncio.sleep(backoff.next())
            except ApiError as error:
                if error.code != 409:  # it had arrived, though its answer did not
                    log.log(_level(error), "event %s refused: %s", item.note.reason, error)
                return
            else:
                return
        log.info("event %s of %s given up", item.note.reason, item.reference.name)

    async def _write(self, item: _Item, outcome: Outcome) -> None:
        namespace = item.reference.namespace or "default"
        sent = outcome.sent
        if sent.name:
            change = {
                "count": sent.count,
                "lastTimestamp": format_time(item.at),
                "message": outcome.message,
            }
            try:
                # The answers are of no use: they are not read.
                await self._client.request(
                    "PATCH", _EVENTS.path(namespace, quote(sent.name)), body=change,
                    content_type=PATCH_TYPES["strategic"],
                )  # fmt: skip
            except ApiError as error:
                if error.code != 404:
                    raise
                sent.name = ""  # it expired meanwhile: begin a new one
            else:
                return
        event = self._new(item, outcome, namespace)
        await self._client.request("POST", _EVENTS.path(namespace), body=event.to_json())
        sent.name = event.metadata.name

    def _new(self, item: _Item, outcome: Outcome, namespace: str) -> Event:
        return Event(
            metadata=ObjectMeta(name=item.name, namespace=namespace),
            involved_object=item.reference,
            reason=item.note.reason,
            message=outcome.message,
            source=EventSource(component=self._component, host=self._host),
            first_timestamp=item.at,
            last_timestamp=item.at,
            count=outcome.sent.count,
            type=item.note.type,
            reporting_component=self._component,
            reporting_instance=self._host,
        )


def reference_to(obj: TypedModel) -> ObjectReference:
    """A reference to this state of the object."""
    meta = meta_of(obj)
    return ObjectReference(
        kind=obj.GVK.kind,
        api_version=obj.GVK.api_version,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )


def _level(error: ApiError) -> int:
    """A namespace that is being deleted takes no events: that is no news."""
    return logging.DEBUG if error.code in (403, 404) else logging.WARNING
