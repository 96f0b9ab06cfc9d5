"""What /metrics says about the store and the process, under upstream's names. Read when scraped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.storage.cache import WatchCache
from apiserver.version import version_info
from wherry.api.scheme import Resource


class StoreMetrics(Collector):
    """Objects by resource, the cache's revision, its watchers."""

    def __init__(self, cache: WatchCache, resources: Sequence[Resource]) -> None:
        self._cache = cache
        self._resources = [resource for resource in resources if resource.stored]

    def collect(self) -> Iterator[Metric]:
        labels = ("group", "resource")
        objects = GaugeMetricFamily("apiserver_resource_objects", "Stored objects.", labels=labels)
        older = GaugeMetricFamily(
            "apiserver_storage_objects", "Stored objects, by the older name.", labels=("resource",)
        )
        for resource in self._resources:
            count = len(self._cache.window(resource))
            objects.add_metric([resource.group, resource.plural], count)
            older.add_metric([resource.qualified_name], count)
        yield objects
        yield older
        revision = GaugeMetricFamily(
            "apiserver_watch_cache_resource_version", "The revision the cache has reached."
        )
        revision.add_metric([], self._cache.revision)
        yield revision
        watchers = GaugeMetricFamily("apiserver_registered_watchers", "Open watches.")
        watchers.add_metric([], self._cache.watcher_count())
        yield watchers


def register(registry: CollectorRegistry, cache: WatchCache, resources: Sequence[Resource]) -> None:
    """Add store, process and build to a registry."""
    registry.register(StoreMetrics(cache, resources))
    ProcessCollector(registry=registry)
    known = version_info()
    build = {
        "major": known["major"], "minor": known["minor"], "git_version": known["gitVersion"],
        "platform": known["platform"],
    }  # fmt: skip
    registry.register(_Build(build))


class _Build(Collector):
    def __init__(self, labels: dict[str, str]) -> None:
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "kubernetes_build_info", "Which build this is; always 1.", labels=list(self._labels)
        )
        build.add_metric(list(self._labels.values()), 1)
        yield build
