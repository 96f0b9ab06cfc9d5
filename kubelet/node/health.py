"""Whether this node can run pods: engine, network, pressure, and which images it has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from kubelet.network.cni import Cni
from kubelet.node.status import Health
from kubelet.pods.cache import ContainerCache
from kubelet.runtime.protocol import ImageRecord, Runtime, RuntimeFailure
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

IMAGES_LISTED_SECONDS = 30.0  # as upstream
IMAGES_SECONDS_MAX = 5.0  # an engine that hangs must not keep us from saying so


class NodeHealth:
    """Whether this node can run pods, asked by the reporter."""

    def __init__(
        self, runtime: Runtime, cache: ContainerCache, cni: Cni, clock: Clock,
        pressure: Callable[[], frozenset[str]],
    ) -> None:  # fmt: skip
        self._runtime = runtime
        self._cache = cache
        self._cni = cni
        self._clock = clock
        self._pressure = pressure
        self._images: list[ImageRecord] = []
        self._images_at = -IMAGES_LISTED_SECONDS

    async def look(self) -> Health:
        problems = []
        if self._cache.failure:
            problems.append(f"container runtime is down: {self._cache.failure}")
        network = await self._cni.trouble()
        if network:
            problems.append(
                "container runtime network not ready: NetworkReady=false"
                f" reason:NetworkPluginNotReady message:{network}"
            )
        if not self._cache.failure:
            await self._list_images()
        return Health(", ".join(problems), self._pressure(), self._images)

    async def _list_images(self) -> None:
        """Now and then; meanwhile, and without an answer, the last ones stand."""
        if self._clock.monotonic() - self._images_at < IMAGES_LISTED_SECONDS:
            return
        try:
            async with asyncio.timeout(IMAGES_SECONDS_MAX):
                self._images = await self._runtime.images()
        except (RuntimeFailure, TimeoutError) as error:
            log.debug("images: %s", error)
        else:
            self._images_at = self._clock.monotonic()
