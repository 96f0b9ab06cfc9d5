"""What /metrics says about Service addresses and node ports, under upstream's names.

Source: pkg/registry/core/service/{ipallocator,portallocator}/metrics.go.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.registry.core.service import ServiceStrategy
from apiserver.registry.core.service_allocation import ServiceAllocator
from apiserver.registry.core.service_allocator import AddressRange
from apiserver.registry.core.service_networks import networks
from apiserver.registry.holdings import ADDRESSES, SERVICES, Holdings
from apiserver.registry.strategy import Strategy
from apiserver.storage.cache import WatchCache
from wherry.api.scheme import Resource

IPS = "kube_apiserver_clusterip_allocator"
PORTS = "kube_apiserver_nodeport_allocator"


class AllocatorMetrics(Collector):
    """Counted when somebody scrapes, from the names of the IPAddress objects."""

    def __init__(self, cache: WatchCache, allocator: ServiceAllocator, holdings: Holdings) -> None:
        self._cache = cache
        self._allocator = allocator
        self._holdings = holdings

    def collect(self) -> Iterator[Metric]:
        yield from self._addresses()
        yield from self._ports()

    def _addresses(self) -> Iterator[Metric]:
        allocated = GaugeMetricFamily(f"{IPS}_allocated_ips", "Addresses held.", labels=("cidr",))
        left = GaugeMetricFamily(f"{IPS}_available_ips", "Addresses left.", labels=("cidr",))
        total, failed = _counters(IPS, ("cidr", "scope"))
        ranges = self._ranges()
        held = self._held(ranges)
        for one in ranges:
            cidr = str(one.network)
            allocated.add_metric([cidr], held[cidr])
            left.add_metric([cidr], one.size - held[cidr])
            for (scope, fine), count in one.counts.items():
                (total if fine else failed).add_metric([cidr, scope], count)
        yield from (allocated, left, total, failed)

    def _ranges(self) -> list[AddressRange]:
        cidrs = self._allocator.cidrs
        return [
            one
            for configured in self._allocator.ranges
            for one in networks(configured, cidrs()).ranges
        ]

    def _held(self, ranges: list[AddressRange]) -> Counter[str]:
        """How many addresses are held in each range; ranges may overlap."""
        found: Counter[str] = Counter()
        for one in self._cache.window(ADDRESSES).select():
            address = ipaddress.ip_address(one.name)
            found.update(
                str(r.network)
                for r in ranges
                if r.network.version == address.version and r.contains(address)
            )
        return found

    def _ports(self) -> Iterator[Metric]:
        ports, held = self._allocator.ports, self._holdings.ports_held
        allocated = GaugeMetricFamily(f"{PORTS}_allocated_ports", "Node ports held.")
        allocated.add_metric([], held)
        left = GaugeMetricFamily(f"{PORTS}_available_ports", "Node ports left.")
        left.add_metric([], ports.size - held)
        total, failed = _counters(PORTS, ("scope",))
        for (scope, fine), count in ports.counts.items():
            (total if fine else failed).add_metric([scope], count)
        yield from (allocated, left, total, failed)


def register(
    metrics: CollectorRegistry,
    cache: WatchCache,
    kinds: Mapping[Resource, Strategy],
    holdings: Holdings,
) -> None:
    """Add the allocators of Services."""
    services = kinds[SERVICES]
    assert isinstance(services, ServiceStrategy), "Services have their own strategy"
    metrics.register(AllocatorMetrics(cache, services.allocator, holdings))


def _counters(
    prefix: str, labels: tuple[str, ...]
) -> tuple[CounterMetricFamily, CounterMetricFamily]:
    total = CounterMetricFamily(f"{prefix}_allocation", "What was given out.", labels=labels)
    failed = CounterMetricFamily(
        f"{prefix}_allocation_errors", "What could not be given out.", labels=labels
    )
    return total, failed
