"""The node's Lease, renewed on a thread, an event loop and a connection of its own.

The main loop may be busy for a while; that must not look like a dead node. The next state of the
Lease is a pure function of the last. Whoever must know is told of every renewal, and of the first one
after some that failed.

Source: upstream's component-helpers/apimachinery/lease (renewed at a quarter of its duration).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from kubelet.node.fencing import boottime
from wherry.api import fencing
from wherry.api.coordination_v1 import Lease, LeaseSpec
from wherry.api.core_v1 import Node
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta, OwnerReference
from wherry.client.kubeconfig import ClientConfig
from wherry.client.rest import ApiUnavailable, Client

log = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"
RENEW_SHARE = 0.25
FAILED_SECONDS_MAX = 1.0
JOIN_SECONDS_MAX = 3.0


def renewed(
    last: Lease | None, name: str, owner: Node | None, seconds: int, now: datetime,
    fences_after: float = 0.0,
) -> Lease:  # fmt: skip
    """The Lease to write; `last` is what the server had. fences_after: what is promised with it."""
    meta = last.metadata if last is not None else ObjectMeta(name=name, namespace=NAMESPACE)
    if owner is not None and not meta.owner_references:
        reference = OwnerReference(
            api_version="v1", kind="Node", name=owner.metadata.name, uid=owner.metadata.uid
        )
        meta = meta.with_(owner_references=[reference])
    meta = meta.with_(annotations=fencing.with_promise(meta.annotations, fences_after))
    spec = LeaseSpec(holder_identity=name, lease_duration_seconds=seconds, renew_time=now)
    return Lease(metadata=meta, spec=spec)


class NodeLease:
    """Start it, then stop it. Nothing it does touches the main loop.

    renewed:   told, in the lease's thread, when a renewal that came through was asked for (`boottime`)
    recovered: told, in that thread, of a renewal after some that failed
    """

    def __init__(
        self, config: ClientConfig, name: str, seconds: int, *, fences_after: float = 0.0,
        renewed: Callable[[float], None] = lambda asked_at: None,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._config = config
        self._name = name
        self._seconds = seconds
        self._fences_after = fences_after
        self._renewed = renewed
        self._recovered = recovered
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="node-lease", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing; the Lease stays and runs out."""
        if self._loop is not None and self._task is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(JOIN_SECONDS_MAX)

    # -- in the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            log.debug("lease thread stopped")
        except Exception:  # the thread's last frame: without a word the node would just go missing
            log.exception("the lease thread failed")

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        interval = self._seconds * RENEW_SHARE
        last: Lease | None = None
        async with Client(self._config, user_agent="kubelet-lease", timeout=interval) as client:
            while True:
                delay, asked_at = interval, boottime()
                try:
                    last = await self._renew(client, last)
                except ApiUnavailable as error:
                    log.debug("lease: %s", error)
                    delay, self._failing = min(interval, FAILED_SECONDS_MAX), True
                except ApiError as error:
                    log.warning("lease of node %s: %s", self._name, error)
                    last = None
                    delay, self._failing = min(interval, FAILED_SECONDS_MAX), True
                else:
                    self._tell(asked_at)
                await asyncio.sleep(delay)

    def _tell(self, asked_at: float) -> None:
        self._renewed(asked_at)
        if self._failing:
            self._failing = False
            self._recovered()

    async def _renew(self, client: Client, last: Lease | None) -> Lease:
        """Write the Lease on what the server had last; look first when that is unknown."""
        if last is None:
            last = await self._look(client)
        owner = None
        if last is None or not last.metadata.owner_references:
            owner = await self._node(client)
        now = datetime.now(UTC)
        lease = renewed(last, self._name, owner, self._seconds, now, self._fences_after)
        if last is None:
            return await client.create(lease)
        return await client.update(lease)

    async def _look(self, client: Client) -> Lease | None:
        try:
            return await client.get(Lease, self._name, NAMESPACE)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _node(self, client: Client) -> Node | None:
        try:
            return await client.get(Node, self._name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
