"""A question and the zone → the answer. Pure: no sockets, no wire format.

Names that are not ours are nobody's answer here (None): the server forwards them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

from nameserver.zone import Record, Zone, address_type

TTL: Final = 5  # seconds; CoreDNS's default, endpoints come and go
VERSION: Final = "1.1.0"  # of the specification, as `dns-version` says
ALIASES_MAX: Final = 8
Code = Literal["NOERROR", "NXDOMAIN"]


@dataclass(frozen=True, slots=True)
class Answer:
    """authority: whether the zone's SOA goes along (negative answers)
    chase:     a name outside the zone that the last record points to and that is to be resolved too
    """

    code: Code
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authority: bool = False
    chase: str = ""


def answer(zone: Zone, name: str, kind: str, dns_addresses: tuple[str, ...] = ()) -> Answer | None:
    """What to say to a question for `name` (any case, no final dot) and record type `kind`.

    dns_addresses: our own, for `ns.dns.<domain>`.
    """
    name = name.lower()
    if not zone.owns(name):
        return None
    records: list[Record] = []
    for _ in range(ALIASES_MAX):
        found = _lookup(zone, name, dns_addresses)
        if found is None:
            return Answer("NXDOMAIN", tuple(records), authority=True)
        alias = found.get("CNAME", ())
        if alias and kind not in ("CNAME", "ANY"):
            [target] = alias[:1]
            records.append(Record(name, "CNAME", target))
            name = target.rstrip(".").lower()
            if zone.owns(name):
                continue
            return Answer("NOERROR", tuple(records), chase=name)
        kinds = found if kind == "ANY" else [kind]
        hits = [Record(name, one, data) for one in kinds for data in found.get(one, ())]
        records += hits
        return Answer(
            "NOERROR", tuple(records), _targets(zone, hits, dns_addresses), authority=not hits
        )
    return Answer("NOERROR", tuple(records))


def soa(zone: Zone) -> Record:
    data = f"ns.dns.{zone.domain}. hostmaster.{zone.domain}. 1 7200 1800 86400 {TTL}"
    return Record(zone.domain, "SOA", data)


def _lookup(zone: Zone, name: str, dns_addresses: tuple[str, ...]) -> dict[str, list[str]] | None:
    found = zone.lookup(name)
    if found is not None and name != zone.domain:
        return dict(found)
    if name == zone.domain:
        return {"SOA": [soa(zone).data], "NS": [f"ns.dns.{zone.domain}."]}
    relative = name.removesuffix(f".{zone.domain}")
    if relative == "dns-version":
        return {"TXT": [f'"{VERSION}"']}
    if relative == "ns.dns":
        own: dict[str, list[str]] = {}
        for address in dns_addresses:
            own.setdefault(address_type(address), []).append(address)
        return own
    if relative in ("svc", "pod", "dns"):
        return {}
    return _pod(relative)


def _pod(relative: str) -> dict[str, list[str]] | None:
    """`10-0-0-1.<namespace>.pod` is its own answer; nobody checks that such a pod exists."""
    labels = relative.split(".")
    if labels[-1] != "pod" or len(labels) > 3:
        return None
    if len(labels) == 2:
        return {}
    for separator in (".", ":"):
        try:
            address = str(ipaddress.ip_address(labels[0].replace("-", separator)))
        except ValueError:
            continue
        return {address_type(address): [address]}
    return None


def _targets(
    zone: Zone, records: list[Record], dns_addresses: tuple[str, ...]
) -> tuple[Record, ...]:
    """The addresses of what SRV and NS records point to, to save the client a question."""
    names = [
        one.data.rsplit(" ", 1)[-1].rstrip(".") for one in records if one.type in ("SRV", "NS")
    ]
    found = []
    for name in dict.fromkeys(names):
        for kind, values in (_lookup(zone, name, dns_addresses) or {}).items():
            if kind in ("A", "AAAA"):
                found += [Record(name, kind, data) for data in values]
    return tuple(found)
