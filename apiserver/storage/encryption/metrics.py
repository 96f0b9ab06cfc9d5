"""What /metrics says about encryption at rest.

Source: k8s.io/apiserver/pkg/storage/value/metrics.go; the two gauges are ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.storage.encryption.storage import EncryptedStorage


class EncryptionMetrics(Collector):
    """Made when somebody scrapes."""

    def __init__(self, storage: EncryptedStorage, registry: CollectorRegistry) -> None:
        self._storage = storage
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        operations = CounterMetricFamily(
            "apiserver_storage_transformation_operations",
            "Values that were sealed and opened.",
            labels=("transformation_type", "status"),
        )
        for (kind, status), count in self._storage.counts.items():
            operations.add_metric([kind, status], count)
        yield operations
        yield GaugeMetricFamily(
            "wherry_storage_outdated_objects",
            "Objects that another key than the newest has sealed: reencrypt brings it to 0.",
            self._storage.outdated_count,
        )
        yield GaugeMetricFamily(
            "wherry_storage_unopened_objects",
            "Objects that no key opens.",
            self._storage.unopened_count,
        )
