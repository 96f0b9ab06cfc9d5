"""What /metrics says about the store, the watch cache and the process, under upstream's names.

Nearly all of it is read when somebody scrapes. Source: k8s.io/apiserver/pkg/storage/{etcd3,cacher}/metrics.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.storage.cache import WatchCache
from apiserver.storage.interface import Status, Storage, StorageError
from apiserver.storage.window import HISTORY_EVENTS_MAX
from apiserver.tally import SECONDS, Tally
from apiserver.version import version_info
from wherry.api.scheme import Resource
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

STATUS_SECONDS = 30.0
_KIND = ("group", "resource")
_CALL = ("operation", *_KIND)


class StoreMetrics(Collector):
    """Objects by resource, the cache's revision, its watchers and what they were told."""

    def __init__(self, cache: WatchCache, resources: Sequence[Resource]) -> None:
        self._cache = cache
        self._resources = [resource for resource in resources if resource.stored]

    def collect(self) -> Iterator[Metric]:
        yield from self._objects()
        yield from self._watches()
        revision = GaugeMetricFamily(
            "apiserver_watch_cache_resource_version", "The revision the cache has reached."
        )
        revision.add_metric([], self._cache.revision)
        yield revision
        watchers = GaugeMetricFamily("apiserver_registered_watchers", "Open watches.")
        watchers.add_metric([], self._cache.watcher_count())
        yield watchers

    def _objects(self) -> Iterator[Metric]:
        objects = GaugeMetricFamily("apiserver_resource_objects", "Stored objects.", labels=_KIND)
        older = GaugeMetricFamily(
            "apiserver_storage_objects", "Stored objects, by the older name.", labels=("resource",)
        )
        capacity = GaugeMetricFamily("watch_cache_capacity", "Changes kept at most.", labels=_KIND)
        for resource in self._resources:
            count = len(self._cache.window(resource))
            kind = [resource.group, resource.plural]
            objects.add_metric(kind, count)
            older.add_metric([resource.qualified_name], count)
            capacity.add_metric(kind, HISTORY_EVENTS_MAX)
        yield from (objects, older, capacity)

    def _watches(self) -> Iterator[Metric]:
        sent = CounterMetricFamily(
            "apiserver_watch_events",
            "Events given to clients, bookmarks too.",
            labels=("group", "version", "resource"),
        )
        dispatched = CounterMetricFamily(
            "apiserver_watch_cache_events_dispatched", "Changes offered to watchers.", labels=_KIND
        )
        received = CounterMetricFamily(
            "apiserver_watch_cache_events_received", "Changes the cache took over.", labels=_KIND
        )
        loads = CounterMetricFamily(
            "apiserver_watch_cache_initializations", "Full loads of the cache.", labels=_KIND
        )
        cut = CounterMetricFamily(
            "apiserver_terminated_watchers", "Watchers cut off as too slow.", labels=_KIND
        )
        sizes = HistogramMetricFamily(
            "apiserver_watch_events_sizes",
            "Bytes of changes that watchers were told.",
            labels=("group", "version", "resource"),
        )
        for resource in self._resources:
            index, kind = self._cache.watchers(resource), [resource.group, resource.plural]
            labels = [resource.group, resource.version, resource.plural]
            sent.add_metric(labels, index.sent)
            index.sizes.show(sizes, lambda _, labels=labels: labels)  # type: ignore[misc]  # bound now
            if index.terminated:
                cut.add_metric(kind, index.terminated)
            dispatched.add_metric(kind, index.dispatched)
            received.add_metric(kind, index.dispatched)
            loads.add_metric(kind, self._cache.loads)
        yield from (sent, dispatched, received, loads, cut, sizes)
        # One cache holds all kinds: waiting for it is waiting for all of them.
        yield self._cache.waits.family(
            "apiserver_watch_cache_read_wait_seconds",
            "Time that readers waited for the cache to be as new as the store.",
            _KIND,
            lambda _: ("", ""),
        )


class StoreCalls(Collector):
    """Calls of etcd by operation and kind, and what it last said of itself.

    A kind is known by the first part of its keys, so Services and Endpoints are counted together.
    """

    def __init__(self, prefix: str, resources: Sequence[Resource]) -> None:
        self._root = len(prefix) + 1
        self._times = Tally[tuple[str, bytes]](SECONDS)
        self._failed: Counter[tuple[str, bytes]] = Counter()
        kinds = {one.storage_prefix.partition("/")[0]: one for one in resources if one.stored}
        self._kinds = {prefix.encode(): (one.group, one.plural) for prefix, one in kinds.items()}
        self.status: Status | None = None

    def observe(self, operation: str, key: bytes, seconds: float, failed: bool) -> None:
        """One call has ended."""
        at = (operation, key[self._root : key.find(b"/", self._root)])
        self._times.add(at, seconds)
        if failed:
            self._failed[at] += 1

    def collect(self) -> Iterator[Metric]:
        yield self._times.family(
            "etcd_request_duration_seconds", "Time of calls of etcd.", _CALL, self._labels
        )
        total = CounterMetricFamily("etcd_requests", "Calls of etcd.", labels=_CALL)
        failed = CounterMetricFamily("etcd_request_errors", "Failed calls of etcd.", labels=_CALL)
        for at in self._times:
            total.add_metric(self._labels(at), self._times.total(at))
            failed.add_metric(self._labels(at), self._failed[at])
        yield from (total, failed)
        size = GaugeMetricFamily(
            "apiserver_storage_size_bytes",
            "Size of etcd's file, as last seen.",
            labels=("storage_cluster_id",),
        )
        if self.status is not None:
            size.add_metric(["etcd-0"], self.status.size_bytes)
        yield size

    def _labels(self, at: tuple[str, bytes]) -> list[str]:
        return [at[0], *self._kinds.get(at[1], ("", ""))]


async def watch_status(storage: Storage, calls: StoreCalls, clock: Clock) -> None:
    """Ask etcd how it is, for ever; an alarm becomes a line in the log when it is raised."""
    alarms: tuple[str, ...] = ()
    while True:
        try:
            calls.status = await storage.status()
        except StorageError as error:
            log.debug("asking etcd for its status: %s", error)
        else:
            if calls.status.alarms and calls.status.alarms != alarms:
                log.error("etcd raises alarms: %s", "; ".join(calls.status.alarms))
            alarms = calls.status.alarms
        await clock.sleep(STATUS_SECONDS)


def register(
    registry: CollectorRegistry,
    cache: WatchCache,
    resources: Sequence[Resource],
    calls: StoreCalls,
) -> None:
    """Add store, process and build to a registry."""
    registry.register(StoreMetrics(cache, resources))
    registry.register(calls)
    ProcessCollector(registry=registry)
    known = version_info()
    build = {
        "major": known["major"], "minor": known["minor"], "git_version": known["gitVersion"],
        "platform": known["platform"],
    }  # fmt: skip
    registry.register(_Build(build))


class Counted(Collector):
    """A counter that somebody else keeps."""

    def __init__(self, name: str, words: str, value: Callable[[], int]) -> None:
        self._about = (name, words)
        self._value = value

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(*self._about, value=self._value())


def handshake_errors(count: Callable[[], int]) -> Counted:
    return Counted("apiserver_tls_handshake_errors", "TLS handshakes that failed.", count)


class _Build(Collector):
    def __init__(self, labels: dict[str, str]) -> None:
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "kubernetes_build_info", "Which build this is; always 1.", labels=list(self._labels)
        )
        build.add_metric(list(self._labels.values()), 1)
        yield build
