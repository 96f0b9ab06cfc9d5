"""The cluster's names: which records Services and EndpointSlices stand for, and where they are found.

`service_records` is the pure rule; `Zone` is the index over all services' records. Names are lower
case, without the final dot. Pods' names (`10-0-0-1.ns.pod.<domain>`) follow from the question alone
and are `answer`'s business.

Source: the Kubernetes DNS-based service discovery specification 1.1.0, and what CoreDNS adds to it
(SRV at a service's own name, address-shaped names for endpoints without a hostname).
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from wherry.api.core_v1.service import Service
from wherry.api.discovery_v1.endpointslice import Endpoint, EndpointSlice

SRV_WEIGHT: Final = 100  # shared among a name's targets
Key = tuple[str, str]  # a service's namespace and name


class Record(NamedTuple):
    """`data` is the record's text, as a zone file has it."""

    name: str
    type: str
    data: str


def service_records(
    service: Service, slices: Sequence[EndpointSlice], domain: str
) -> tuple[Record, ...]:
    """All records of a service, its endpoints' included."""
    base = f"{service.metadata.name}.{service.metadata.namespace}.svc.{domain}".lower()
    if service.spec.type == "ExternalName":
        target = service.spec.external_name.rstrip(".")
        return (Record(base, "CNAME", f"{target}."),) if target else ()
    if service.spec.cluster_ip == "None":
        return tuple(dict.fromkeys(_headless(service, slices, base)))
    return tuple(_with_cluster_ip(service, base))


def _with_cluster_ip(service: Service, base: str) -> Iterator[Record]:
    addresses = [ip for ip in service.spec.cluster_ips or [service.spec.cluster_ip] if ip]
    for address in addresses:
        yield Record(base, address_type(address), address)
        yield Record(reverse_name(address), "PTR", f"{base}.")
    if not addresses:
        return
    for port in service.spec.ports:
        data = f"0 {SRV_WEIGHT} {port.port} {base}."
        yield Record(base, "SRV", data)
        if port.name:
            yield Record(srv_name(port.name, port.protocol, base), "SRV", data)


def _headless(service: Service, slices: Sequence[EndpointSlice], base: str) -> Iterator[Record]:
    usable = [
        (one, endpoint, endpoint.addresses[0])
        for one in slices
        if one.address_type in ("IPv4", "IPv6")
        for endpoint in one.endpoints
        if endpoint.addresses and endpoint.conditions.ready in (None, True)
    ]
    weight = max(SRV_WEIGHT // len(usable), 1) if usable else SRV_WEIGHT
    for one, endpoint, address in usable:
        target = f"{_endpoint_label(endpoint, address)}.{base}"
        yield Record(base, address_type(address), address)
        yield Record(target, address_type(address), address)
        yield Record(reverse_name(address), "PTR", f"{target}.")
        for port in one.ports:
            if not port.port:
                continue
            data = f"0 {weight} {port.port} {target}."
            yield Record(base, "SRV", data)
            if port.name:
                yield Record(srv_name(port.name, port.protocol or "TCP", base), "SRV", data)


def _endpoint_label(endpoint: Endpoint, address: str) -> str:
    return (endpoint.hostname or address.replace(".", "-").replace(":", "-")).lower()


def srv_name(port: str, protocol: str, base: str) -> str:
    return f"_{port}._{protocol or 'TCP'}.{base}".lower()


def address_type(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def reverse_name(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


class Zone:
    """Finds records by name. Changed by whole services only."""

    def __init__(self, domain: str) -> None:
        self.domain = domain.strip(".").lower()
        self._by_service: dict[Key, dict[Record, None]] = {}
        self._by_name: dict[str, dict[tuple[Key, Record], None]] = {}
        self._parents: Counter[str] = Counter()  # names below which there are names

    def replace(self, key: Key, records: Iterable[Record]) -> frozenset[str]:
        """Give a service new records (none: it is gone); the names about which that changes anything."""
        new = dict.fromkeys(records)
        old = self._by_service.pop(key, {})
        if new:
            self._by_service[key] = new
        gone = [record for record in old if record not in new]
        come = [record for record in new if record not in old]
        for record in gone:
            held = self._by_name[record.name]
            del held[key, record]
            if not held:
                del self._by_name[record.name]
            self._parents.subtract(_ancestors(record.name))
        for record in come:
            self._by_name.setdefault(record.name, {})[key, record] = None
            self._parents.update(_ancestors(record.name))
        if gone:
            self._parents = +self._parents
        names = {record.name for record in (*gone, *come)}
        return frozenset((*names, *(above for name in names for above in _ancestors(name))))

    def lookup(self, name: str) -> Mapping[str, list[str]] | None:
        """The name's data by record type; None when there is no such name."""
        held = self._by_name.get(name)
        if held is None:
            return {} if self._parents[name] > 0 else None
        found: dict[str, list[str]] = {}
        for _, record in held:
            data = found.setdefault(record.type, [])
            if record.data not in data:
                data.append(record.data)
        return found

    def owns(self, name: str) -> bool:
        """Whether we, and nobody else, answer for the name."""
        inside = name == self.domain or name.endswith(f".{self.domain}")
        return inside or (name.endswith(".arpa") and name in self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


def _ancestors(name: str) -> Iterator[str]:
    while "." in name:
        name = name.partition(".")[2]
        yield name
