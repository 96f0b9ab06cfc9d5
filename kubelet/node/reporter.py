"""Registers the node and keeps its status true: at once when readiness changes, else every 10 s if
something changed, and every 5 min as a heartbeat (liveness is the Lease's business).

Source: upstream's pkg/kubelet/kubelet_node_status.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from kubelet.node import status
from kubelet.node.status import Health, Identity
from wherry.api.core_v1 import Node, NodeStatus
from wherry.api.errors import ApiError
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

# Readiness is looked at this often until the node is ready for the first time.
EAGER_SECONDS = 0.2
LEFT = "wherry.io/left"  # annotates the Node of a machine that leaves the cluster


class NodeReporter:
    """The node's object. `current` is what we know the server to have."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        identity: Identity,
        health: Callable[[], Awaitable[Health]],
        *,
        update_seconds: float,
        report_seconds: float,
        say: Callable[[str, str], None],
        register: bool = True,
    ) -> None:
        self._client = client
        self._clock = clock
        self._identity = identity
        self._health = health
        self._update_seconds = update_seconds
        self._report_seconds = report_seconds
        self._say = say
        self._register_wanted = register
        self._reported_at: datetime | None = None
        self._known = NodeStatus()
        self._told: frozenset[str] = frozenset()
        self._poked = asyncio.Event()
        self._is_deleted = False
        self.registered = asyncio.Event()
        self.is_ready = False

    def poke(self) -> None:
        """Something about the node's readiness may have changed."""
        self._poked.set()

    def moved(self, address: str) -> None:
        """The node's address has changed."""
        self._identity = replace(self._identity, address=address)
        self._poked.set()

    def seen(self, stored: Node) -> None:
        """The server's object, as it changes: what others made of our conditions is put right at once."""
        if self.registered.is_set() and status.is_overruled(self._known, stored.status):
            self._known = stored.status
            self._poked.set()

    def deleted(self, stored: Node) -> None:
        """Somebody deleted the node: it registers again, unless this machine is leaving."""
        if self.registered.is_set() and LEFT not in stored.metadata.annotations:
            self._is_deleted = True
            self._poked.set()

    async def run(self) -> None:
        await self._register()
        self._say("Starting", "Starting kubelet.")
        while True:
            with suppress(TimeoutError):
                seconds = self._update_seconds if self.is_ready else EAGER_SECONDS
                async with asyncio.timeout(seconds):
                    await self._poked.wait()
            self._poked.clear()
            if self._is_deleted:
                self._is_deleted = False
                self.registered.clear()
                await self._register()
            await self._report()

    async def _register(self) -> None:
        backoff = Backoff(0.1, 2.0, 7.0)
        while not self.registered.is_set():
            try:
                await self._try_register()
            except (ApiError, ApiUnavailable) as error:
                log.warning("unable to register node %s: %s", self._identity.name, error)
                await self._clock.sleep(backoff.next())

    async def _try_register(self) -> None:
        now = self._clock.now()
        fresh = status.status(self._identity, await self._health(), NodeStatus(), now)
        stored = await self._existing() if not self._register_wanted else None
        if stored is None and self._register_wanted:
            try:
                stored = await self._client.create(status.node(self._identity, fresh))
                log.info("registered node %s", self._identity.name)
            except ApiError as error:
                if error.code != 409:
                    raise
                stored = await self._existing()
        if stored is None:
            raise ApiUnavailable(f"node {self._identity.name} does not exist yet")
        await self._update_labels(stored)
        self._known = stored.status
        self._note_ready(stored.status)
        self.registered.set()
        self._poked.set()

    async def _existing(self) -> Node | None:
        try:
            return await self._client.get(Node, self._identity.name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _update_labels(self, stored: Node) -> None:
        wanted = status.labels(self._identity)
        missing = {k: v for k, v in wanted.items() if stored.metadata.labels.get(k) != v}
        if missing and self._register_wanted:
            patch = {"metadata": {"labels": missing}}
            await self._client.patch(Node, self._identity.name, "", patch)

    async def _report(self) -> None:
        now = self._clock.now()
        fresh = status.status(self._identity, await self._health(), self._known, now)
        due = status.is_due(self._reported_at, now, self._report_seconds)
        if not due and not status.differs(fresh, self._known):
            return
        try:
            patch = status.patch(fresh, self._known)
            await self._client.patch(
                Node, self._identity.name, "", patch, type="strategic", subresource="status"
            )
        except ApiUnavailable as error:
            log.debug("node status: %s", error)
        except ApiError as error:
            log.warning("node status: %s", error)
            if error.code == 404:
                # Somebody deleted the node: it registers again, as upstream's does.
                self.registered.clear()
                await self._register()
        else:
            self._known, self._reported_at = fresh, now
            self._note_ready(fresh)
            self._tell_conditions(fresh)

    def _note_ready(self, known: NodeStatus) -> None:
        ready = any(c.type == "Ready" and c.status == "True" for c in known.conditions)
        if ready is not self.is_ready:
            word = "NodeReady" if ready else "NodeNotReady"
            self._say(word, f"Node {self._identity.name} status is now: {word}")
        self.is_ready = ready

    def _tell_conditions(self, known: NodeStatus) -> None:
        """An event for each condition that has come or changed since it was last told."""
        now = frozenset(status.condition_events(known))
        for word in sorted(now - self._told):
            self._say(word, f"Node {self._identity.name} status is now: {word}")
        self._told = now
