"""Asks kubelets what their pods use: on demand, at most once in fifteen seconds each.

A rate needs two pages. A node asked for the first time is asked twice, a second apart; after that the
page of the last demand is the first of the two, unless it is very old.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from apiserver.http.backend import BrokenAnswer
from apiserver.resource_metrics.readings import PodKey, Scrape, Usage, parse, pod_usage, usage
from apiserver.subresources.kubelets import Call, Kubelets
from wherry.api.errors import ApiError
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 15.0
OLD_SECONDS: Final = 300.0  # a rate over longer says nothing of now
APART_SECONDS: Final = 1.0
SCRAPE_SECONDS_MAX: Final = 10.0
SCRAPES_MAX: Final = 16  # at once
PAGE_BYTES_MAX: Final = 16 * 1024 * 1024

Node = Mapping[str, Any]


@dataclass(slots=True)
class _Known:
    """Two pages of a node, and when the second came."""

    before: Scrape
    now: Scrape
    at: float


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """One node's usage, and its pods'."""

    node: Usage | None
    pods: Mapping[PodKey, Mapping[str, Usage]]


class Scraper:
    """What nodes use, by node name. Nodes that don't answer are left out."""

    def __init__(self, kubelets: Kubelets, clock: Clock) -> None:
        self._kubelets = kubelets
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._places = asyncio.Semaphore(SCRAPES_MAX)

    async def usage(self, nodes: Iterable[Node]) -> dict[str, NodeUsage]:
        """Of these nodes (objects)."""
        async with asyncio.TaskGroup() as group:
            asked = {node["metadata"]["name"]: group.create_task(self._one(node)) for node in nodes}
        found = {name: task.result() for name, task in asked.items()}
        return {name: _usage(known) for name, known in found.items() if known is not None}

    def forget(self, names: Iterable[str]) -> None:
        """Nodes that are no more."""
        for name in tuple(names):
            self._known.pop(name, None)
            self._asking.pop(name, None)

    def names(self) -> set[str]:
        """Nodes that something is remembered of."""
        return set(self._asking)

    async def _one(self, node: Node) -> _Known | None:
        name = node["metadata"]["name"]
        async with self._asking.setdefault(name, asyncio.Lock()):
            known, now = self._known.get(name), self._clock.monotonic()
            if known is not None and now - known.at < FRESH_SECONDS:
                return known
            try:
                async with self._places, asyncio.timeout(SCRAPE_SECONDS_MAX):
                    before = await self._before(node, known)
                    page = await self._scrape(node)
            except (ApiError, BrokenAnswer, OSError, EOFError, ValueError, TimeoutError) as error:
                log.info("metrics of node %s: %s", name, str(error) or type(error).__name__)
                return None
            self._known[name] = _Known(before, page, self._clock.monotonic())
            return self._known[name]

    async def _before(self, node: Node, known: _Known | None) -> Scrape:
        if known is not None and self._clock.monotonic() - known.at < OLD_SECONDS:
            return known.now
        page = await self._scrape(node)
        await self._clock.sleep(APART_SECONDS)
        return page

    async def _scrape(self, node: Node) -> Scrape:
        answer = await self._kubelets.call(node, Call("GET", "/metrics/resource", {}))
        body = b""
        async for chunk in answer.chunks():
            body += chunk
            if len(body) > PAGE_BYTES_MAX:
                raise ValueError(f"more than {PAGE_BYTES_MAX} bytes of metrics")
        if answer.status != 200:
            raise ValueError(
                f"kubelet answered {answer.status}: {body[:200].decode(errors='replace')}"
            )
        return await asyncio.to_thread(parse, body.decode())


def _usage(known: _Known) -> NodeUsage:
    pods = {
        key: found
        for key, now in known.now.pods.items()
        if (found := pod_usage(known.before.pods.get(key, {}), now)) is not None
    }
    return NodeUsage(usage(known.before.node, known.now.node), pods)
