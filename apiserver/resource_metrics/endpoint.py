"""GET and LIST of metrics.k8s.io: what nodes and pods use now, as `kubectl top` and autoscalers ask.

Source: kubernetes-sigs/metrics-server/pkg/api.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from apiserver.admission.attributes import NODES, PODS
from apiserver.admission.interface import Lister
from apiserver.handlers.forms import listed, shower_of
from apiserver.http.exchange import Exchange
from apiserver.registry.options import list_options
from apiserver.registry.printing import NAME
from apiserver.registry.strategy import Column, Strategy
from apiserver.request import RequestContext, Response
from apiserver.resource_metrics.readings import Usage
from apiserver.resource_metrics.scraper import Scraper
from apiserver.storage.window import Cached
from wherry.api import quantity
from wherry.api.errors import not_found
from wherry.api.metrics_v1beta1 import NodeMetrics, PodMetrics
from wherry.api.model import format_time
from wherry.api.scheme import Resource, resource_of
from wherry.daemon.clock import Clock

Tree = dict[str, Any]
ENDED: Final = ("Succeeded", "Failed")


def amounts(usages: Sequence[Usage]) -> dict[str, str]:
    """Their sum, as the wire says it: nanocores and kibibytes."""
    memory = sum(one.memory_bytes for one in usages)
    return {
        "cpu": f"{sum(one.nanocores for one in usages)}n",
        "memory": f"{memory // 1024}Ki",
    }


def _when(usages: Sequence[Usage]) -> Tree:
    """The newest reading's time, and the shortest window."""
    at = datetime.fromtimestamp(max(one.at for one in usages), UTC)
    window = min(one.window_seconds for one in usages)
    return {"timestamp": format_time(at), "window": f"{window:.3f}".rstrip("0").rstrip(".") + "s"}


def _metadata(source: Mapping[str, Any], now: datetime) -> Tree:
    found = source["metadata"]
    kept = {key: found[key] for key in ("name", "namespace", "labels") if key in found}
    return kept | {"creationTimestamp": format_time(now)}


def node_metrics(node: Mapping[str, Any], usage: Usage, now: datetime) -> Tree:
    """A NodeMetrics without kind and apiVersion."""
    return {"metadata": _metadata(node, now), **_when([usage]), "usage": amounts([usage])}


def pod_metrics(pod: Mapping[str, Any], usages: Mapping[str, Usage], now: datetime) -> Tree:
    """A PodMetrics without kind and apiVersion."""
    rows = [{"name": name, "usage": amounts([usages[name]])} for name in sorted(usages)]
    return {"metadata": _metadata(pod, now), **_when(list(usages.values())), "containers": rows}


class NodeMetricsStrategy(Strategy):
    """Only its columns: it is not stored."""

    resource = resource_of(NodeMetrics)
    columns = (NAME, Column("cpu"), Column("memory"), Column("Window", format="duration"))

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        usage = tree["usage"]
        return tree["metadata"]["name"], usage["cpu"], usage["memory"], tree["window"]


class PodMetricsStrategy(NodeMetricsStrategy):
    """Only its columns: it is not stored."""

    resource = resource_of(PodMetrics)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        each = [one["usage"] for one in tree["containers"]]
        cpu = sum(quantity.parse(one["cpu"]) for one in each)
        memory = sum(quantity.value(one["memory"]) for one in each)
        shown = f"{int(cpu * 10**9)}n", f"{memory // 1024}Ki"
        return tree["metadata"]["name"], *shown, tree["window"]


class MetricsEndpoints:
    """Answers from kubelets, for objects there are."""

    def __init__(self, lister: Lister, scraper: Scraper, clock: Clock) -> None:
        self._lister = lister
        self._scraper = scraper
        self._clock = clock

    async def nodes(self, ctx: RequestContext, exchange: Exchange) -> Response:
        """One node's, or all that match and can be told. ApiError 404."""
        strategy, now = NodeMetricsStrategy(), self._clock.now()
        wanted = list(self._wanted(ctx, NODES))
        found = await self._scraper.usage(wanted)
        self._forget()
        shown = []
        for node in wanted:
            usage = found.get(node["metadata"]["name"])
            if usage is not None and usage.node is not None:
                shown.append(node_metrics(node, usage.node, now))
        return await self._answer(ctx, strategy, shown)

    async def pods(self, ctx: RequestContext, exchange: Exchange) -> Response:
        """One pod's, or those of all that match and can be told. ApiError 404."""
        strategy, now = PodMetricsStrategy(), self._clock.now()
        wanted = [
            pod
            for pod in self._wanted(ctx, PODS)
            if pod["spec"].get("nodeName") and pod["status"].get("phase") not in ENDED
        ]
        names = {pod["spec"]["nodeName"] for pod in wanted}
        nodes = [node for name in names if (node := self._lister.get(NODES, "", name)) is not None]
        found = await self._scraper.usage(nodes)
        shown = []
        for pod in wanted:
            meta, there = pod["metadata"], found.get(pod["spec"]["nodeName"])
            usages = there.pods.get((meta["namespace"], meta["name"])) if there else None
            if usages:
                shown.append(pod_metrics(pod, usages, now))
        return await self._answer(ctx, strategy, shown)

    def _wanted(self, ctx: RequestContext, source: Resource) -> Iterator[Mapping[str, Any]]:
        """The nodes or pods that are asked about."""
        info = ctx.info
        if info.name:
            one = self._lister.get(source, info.namespace, info.name)
            if one is not None:
                yield one
            return
        interest = list_options(ctx.query, ctx.resource, info.namespace, watching=False).interest
        for tree in self._lister.list(source, info.namespace):
            meta = tree["metadata"]
            fields = {
                "metadata.name": meta["name"],
                "metadata.namespace": meta.get("namespace", ""),
            }
            cached = Cached(
                fields["metadata.namespace"], meta["name"], b"", 0, meta.get("labels", {}), fields
            )
            if interest.matches(cached):
                yield tree

    def _forget(self) -> None:
        there = {node["metadata"]["name"] for node in self._lister.list(NODES)}
        self._scraper.forget(self._scraper.names() - there)

    async def _answer(
        self, ctx: RequestContext, strategy: NodeMetricsStrategy, shown: list[Tree]
    ) -> Response:
        shower = shower_of(ctx.accept, strategy, self._clock, listed=not ctx.info.name)
        if ctx.info.name:
            if not shown:
                raise not_found(strategy.resource.qualified_name, ctx.info.name)
            return Response(body=shower.whole(orjson.dumps(shown[0])) + b"\n")
        found = [
            Cached(
                tree["metadata"].get("namespace", ""), tree["metadata"]["name"],
                orjson.dumps(tree), 0, {}, {},
            )
            for tree in shown
        ]  # fmt: skip
        return Response(body=await listed(shower, found))
