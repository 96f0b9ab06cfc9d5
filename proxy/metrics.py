"""What the proxy counts: upstream's names, labels and buckets, so that its dashboards work.

Source: pkg/proxy/metrics of upstream, what it registers in nftables mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from proxy.family import FAMILIES

SYNC_BUCKETS: Final = tuple(0.001 * 2**n for n in range(15))
LATENCY_BUCKETS: Final = (0, 0.25, 0.5, *range(1, 60), *range(60, 120, 5), *range(120, 301, 30))
POLICIES: Final = ("internal", "external")


class Metrics:
    """Those with the label ip_family are asked for with `labels(family.slices)`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def sync(name: str, words: str) -> Any:
            return _by_family(Histogram, name, words, registry, buckets=SYNC_BUCKETS)

        def count(name: str, words: str) -> Any:
            return _by_family(Counter, name, words, registry)

        def moment(name: str, words: str) -> Any:
            return _by_family(Gauge, name, words, registry)

        rules = "kubeproxy_sync_proxy_rules"
        self.seconds = sync(f"{rules}_duration_seconds", "Time to write a change")
        self.full = sync("kubeproxy_sync_full_proxy_rules_duration_seconds", "Time to write all")
        self.partial = sync(
            "kubeproxy_sync_partial_proxy_rules_duration_seconds", "Time to write a difference"
        )
        self.last = moment(f"{rules}_last_timestamp_seconds", "When rules were last written")
        self.queued = moment(f"{rules}_last_queued_timestamp_seconds", "When a change last came")
        self.failures = count(f"{rules}_nftables_sync_failures", "Refused writes")
        self.cleanup_failures = count(f"{rules}_nftables_cleanup_failures", "Refused deletions")
        self.unserved = Gauge(
            f"{rules}_no_local_endpoints_total", "Service ports with a Local policy that nobody"
            " serves here", ["ip_family", "traffic_policy"], registry=registry,
        )  # fmt: skip
        self._latency = _by_family(
            Histogram, "kubeproxy_network_programming_duration_seconds",
            "From a pod's or Service's change to its rules", registry, buckets=LATENCY_BUCKETS,
        )  # fmt: skip
        self.flow_seconds = sync(
            "kubeproxy_conntrack_reconciler_sync_duration_seconds", "Time to look at UDP flows"
        )
        self.flows = count("kubeproxy_conntrack_reconciler_deleted_entries", "UDP flows forgotten")
        self._changes = {
            kind: Counter(f"{rules}_{kind}_changes", f"Changes of {kind}s", registry=registry)
            for kind in ("endpoint", "service")
        }
        self._pending = {
            kind: Gauge(f"{rules}_{kind}_changes_pending", "Not written yet", registry=registry)
            for kind in self._changes
        }
        self.healthz = Counter(
            "kubeproxy_proxy_healthz", "Answers at /healthz", ["code"], registry=registry
        )
        self.livez = Counter(
            "kubeproxy_proxy_livez", "Answers at /livez", ["code"], registry=registry
        )
        self.bytes = Counter("wherry_proxy_written_bytes", "Text given to nft", registry=registry)

    def came(self, kind: str) -> None:
        """A change of this kind: "endpoint" or "service"."""
        self._changes[kind].inc()
        self._pending[kind].inc()

    def done(self) -> None:
        """All that came is written."""
        for one in self._pending.values():
            one.set(0)

    def programmed(self, family: str, triggers: Iterable[datetime], now: datetime) -> None:
        """The rules hold what these moments' changes led to."""
        for moment in triggers:
            self._latency.labels(family).observe((now - moment).total_seconds())

    def count_unserved(self, family: str, ports: Mapping[str, Iterable[str]]) -> None:
        """ports: Service → the policies of its ports that nobody serves here."""
        found = [policy for one in ports.values() for policy in one]
        for policy in POLICIES:
            self.unserved.labels(family, policy).set(found.count(policy))


def _by_family(kind: Any, name: str, words: str, registry: CollectorRegistry, **more: Any) -> Any:
    """A metric with a line for each family from the start."""
    made = kind(name, words, ["ip_family"], registry=registry, **more)
    for family in FAMILIES:
        made.labels(family.slices)
    return made
