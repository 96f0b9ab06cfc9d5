"""Leader election: of several equal daemons one works, the others stand by, warm.

The lease is renewed on a thread with its own event loop and its own connection, so that a busy main
loop does not look like a dead leader. A leader that loses the lease has its work cancelled and
stands by again; nothing is forgotten and the process lives on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import socket
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import uvloop

from wherry.api.coordination_v1.lease import Lease
from wherry.api.errors import ApiError
from wherry.client.election import JITTER_FACTOR, Durations, Election
from wherry.client.rest import Client
from wherry.client.transport import ApiUnavailable

log = logging.getLogger(__name__)

RELEASE_SECONDS_MAX = 3.0


def default_identity() -> str:
    """A name no other candidate has: host name and a random part, as upstream's."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


async def run_leading(
    client: Client,
    lease_namespace: str,
    lease_name: str,
    identity: str,
    lead: Callable[[], Awaitable[None]],
    durations: Durations | None = None,
) -> None:
    """Run `lead` whenever we hold the lease; return when `lead` does.

    When the lease is lost `lead` is cancelled, and started anew when we win it again.
    """
    election = Election(lease_namespace, lease_name, identity, durations or Durations())
    candidate = _Candidate(client, election)
    candidate.start()
    try:
        while True:
            await candidate.until(leading=True)
            log.info("%s leads %s/%s", identity, lease_namespace, lease_name)
            if await _lead_while_leading(lead, candidate):
                return
            log.warning("%s lost %s/%s", identity, lease_namespace, lease_name)
    finally:
        await candidate.stop()


async def _lead_while_leading(lead: Callable[[], Awaitable[None]], candidate: _Candidate) -> bool:
    """True when `lead` came to its end, False when the lease was lost first."""
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(_awaited(lead), name="lead")
        lost = tasks.create_task(candidate.until(leading=False), name="lease-lost")
        await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
        finished = work.done()
        work.cancel()
        lost.cancel()
    return finished


async def _awaited(lead: Callable[[], Awaitable[None]]) -> None:
    await lead()


class _Candidate:
    """The thread that holds or seeks the lease, and its voice in the main loop."""

    def __init__(self, client: Client, election: Election) -> None:
        self._client = client
        self._election = election
        self._loop = asyncio.get_running_loop()
        self._watchers: list[asyncio.Future[None]] = []
        self._leading = False
        self._thread_loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="leader-election", daemon=True)
        self._ended = asyncio.Event()
        self._stopping = False
        self._failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    async def until(self, *, leading: bool) -> None:
        while self._failure is None and self._leading is not leading:
            watcher = self._loop.create_future()
            self._watchers.append(watcher)
            await watcher
        if self._failure is not None:
            raise RuntimeError("the leader election thread failed") from self._failure

    async def stop(self) -> None:
        """End the thread, giving the lease back when we hold it."""
        self._stopping = True
        if self._thread_loop is not None and self._task is not None:
            self._thread_loop.call_soon_threadsafe(self._task.cancel)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS_MAX + 1):
                await self._ended.wait()

    # -- in the thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except Exception as error:  # a thread's end must not go unnoticed: `until` raises it
            log.exception("the leader election thread failed")
            self._failure = error
        with contextlib.suppress(RuntimeError):  # the main loop may be gone: nobody listens then
            self._loop.call_soon_threadsafe(self._ended.set)
            self._tell(False)

    async def _main(self) -> None:
        self._thread_loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        if self._stopping:
            return
        durations = self._election.durations
        async with Client(
            self._client.config, user_agent="leader-election", timeout=durations.renew_deadline
        ) as client:
            try:
                while True:
                    await self._acquire(client)
                    self._tell(True)
                    await self._renew(client)
                    self._tell(False)
            except asyncio.CancelledError:
                await self._give_back(client)

    async def _acquire(self, client: Client) -> None:
        retry = self._election.durations.retry
        while not await self._attempt(client):
            chance = random.random()
            left = self._election.expires_in(time.monotonic())
            # Not to come a whole period late when the leader has died; not all at once either.
            soon = left + retry * chance / 10 if left > 0 else math.inf
            await asyncio.sleep(min(retry * (1 + JITTER_FACTOR * chance), soon))

    async def _renew(self, client: Client) -> None:
        """Keep the lease; return when it is lost."""
        durations = self._election.durations
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(durations.retry)
            try:
                async with asyncio.timeout_at(
                    asyncio.get_running_loop().time()
                    + max(0.0, renewed + durations.renew_deadline - time.monotonic())
                ):
                    if await self._attempt(client):
                        renewed = time.monotonic()
            except TimeoutError:
                log.warning("renewing the lease timed out")
            if time.monotonic() - renewed >= durations.renew_deadline or (
                self._election.holder and not self._election.leading
            ):
                return

    async def _attempt(self, client: Client) -> bool:
        """One try to take or renew the lease; whether it is ours now."""
        election = self._election
        try:
            if not election.leading:
                await self._look(client)
            started = time.monotonic()
            wish = election.wish(started, datetime.now(UTC))
            if wish is None:
                return False
            written = await _write(client, wish)
            election.observe(written, started)
        except ApiError as error:
            log.debug("lease: %s", error)
            if error.code in (404, 409):  # somebody was faster: what we believed is stale
                await self._look_again(client)
            return False
        except ApiUnavailable as error:
            log.warning("lease: %s", error)
            return False
        return True

    async def _look(self, client: Client) -> None:
        election = self._election
        try:
            lease = await client.get(Lease, *election.lease_key)
        except ApiError as error:
            if error.code != 404:
                raise
            lease = None
        election.observe(lease, time.monotonic())

    async def _look_again(self, client: Client) -> None:
        try:
            await self._look(client)
        except (ApiError, ApiUnavailable) as error:
            log.debug("lease: %s", error)

    async def _give_back(self, client: Client) -> None:
        lease = self._election.release(datetime.now(UTC))
        if lease is None:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS_MAX):
                await client.update(lease)
        except (ApiError, ApiUnavailable, TimeoutError) as error:
            log.info("could not give the lease back: %s", error)

    def _tell(self, leading: bool) -> None:
        self._loop.call_soon_threadsafe(self._set, leading)

    def _set(self, leading: bool) -> None:
        """In the main loop."""
        self._leading = leading
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)


async def _write(client: Client, lease: Lease) -> Lease:
    if lease.metadata.resource_version:
        return await client.update(lease)
    return await client.create(lease)
