"""Mirror pods: what the API server is told of static pods.

A mirror is a copy that says so; deleting it stops nothing, it is made anew. It owes its life to the
static pod's digest in an annotation: a mirror with another one is replaced.

Source: upstream's pkg/kubelet/pod/mirror_client.go, kubelet.go (SyncPod).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from kubelet.pods.publisher import STRATEGIC, Publisher, patch
from kubelet.static.source import HASH
from wherry.api.core_v1 import Node, Pod
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import OwnerReference
from wherry.api.scheme import resource_of
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

MIRROR = "kubernetes.io/config.mirror"
LOOK_SECONDS = 10.0
_PODS = resource_of(Pod)


def is_mirror(pod: Pod) -> bool:
    return MIRROR in pod.metadata.annotations


def mirror_of(pod: Pod, node: Node) -> Pod:
    """The mirror to create for a static pod."""
    meta = pod.metadata
    owner = OwnerReference(
        api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid,
        controller=True,
    )  # fmt: skip
    return Pod(
        metadata=meta.with_(
            uid="",
            annotations={**meta.annotations, MIRROR: meta.annotations[HASH]},
            owner_references=[owner],
        ),
        spec=pod.spec,
    )


@dataclass(slots=True)
class Plan:
    """Static pods without a mirror, and mirrors that are none any more."""

    create: list[Pod] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)


def plan(static: Iterable[Pod], mirrors: Iterable[Pod]) -> Plan:
    """What to do about the mirrors of the static pods that there are."""
    wanted = {(pod.metadata.namespace, pod.metadata.name): pod for pod in static}
    result = Plan()
    held = set()
    for mirror in mirrors:
        meta = mirror.metadata
        key = (meta.namespace, meta.name)
        held.add(key)
        pod = wanted.get(key)
        same = pod is not None and meta.annotations.get(MIRROR) == pod.metadata.annotations[HASH]
        if not same or meta.deletion_timestamp is not None:
            result.delete.append(mirror)  # its end brings us back to make another
    result.create.extend(pod for key, pod in wanted.items() if key not in held)
    return result


class Mirrors:
    """Keeps the mirrors: `static` and `mirrors` give what there is of each."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        node: Callable[[], Node | None],
        static: Callable[[], Iterable[Pod]],
        mirrors: Callable[[], Iterable[Pod]],
    ) -> None:
        self._client = client
        self._clock = clock
        self._node = node
        self._static = static
        self._mirrors = mirrors
        self._changed = asyncio.Event()

    def poke(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Look at every change, and now and then."""
        while True:
            self._changed.clear()
            await self._settle()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _settle(self) -> None:
        node = self._node()
        todo = plan(self._static(), self._mirrors())
        for pod in todo.delete:
            meta = pod.metadata
            await self._try(
                self._client.delete(
                    Pod, meta.name, meta.namespace, grace_period_seconds=0, uid=meta.uid
                ),
                pod,
            )
        for pod in todo.create:
            if node is not None:
                await self._try(self._client.create(mirror_of(pod, node)), pod)

    async def _try(self, work: Awaitable[object], pod: Pod) -> None:
        try:
            await work
        except ApiUnavailable as error:
            log.debug("mirror of %s: %s", pod.metadata.name, error)
        except ApiError as error:
            if error.code not in (404, 409):
                log.warning("mirror of %s/%s: %s", pod.metadata.namespace, pod.metadata.name, error)


class MirrorPublisher(Publisher):
    """Writes a static pod's status to its mirror, whichever that is now."""

    def __init__(
        self, client: Client, clock: Clock, pod: Pod, mirror: Callable[[], Pod | None]
    ) -> None:
        super().__init__(client, clock, pod)
        self._mirror = mirror
        self._written_to = ""

    def renew(self) -> None:
        """There is another mirror: it has no status yet."""
        self._changed.set()

    async def _send(self) -> None:
        backoff = Backoff(0.2, 2.0, 10.0)
        while not self.gone:
            mirror = self._mirror()
            if mirror is None:
                return  # its coming renews
            meta, latest = mirror.metadata, self._latest
            if meta.uid != self._written_to:
                self._known = (mirror.status, mirror.status.to_wire())
            try:
                await self._client.request(
                    "PATCH", _PODS.path(meta.namespace, meta.name, "status"),
                    body=patch(meta.uid, latest[1], self._known[1]), content_type=STRATEGIC,
                )  # fmt: skip
            except ApiUnavailable as error:
                log.debug("status of %s/%s: %s", meta.namespace, meta.name, error)
            except ApiError as error:
                if error.code in (404, 409):
                    return
                log.warning("status of %s/%s: %s", meta.namespace, meta.name, error)
            else:
                self._known, self._written_to = latest, meta.uid
                return
            await self._clock.sleep(backoff.next())
