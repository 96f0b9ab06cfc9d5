"""Questions and their answers, without a wire."""

from __future__ import annotations

import pytest

from nameserver.answer import answer
from nameserver.zone import Zone, service_records
from tests.unit.nameserver.make import endpoint, endpoint_slice, service

DOMAIN = "cluster.local"
SVC = "default.svc.cluster.local"


@pytest.fixture
def zone() -> Zone:
    zone = Zone(DOMAIN)
    slices = endpoint_slice("db", endpoint("10.244.0.2", "db-0"), endpoint("10.244.0.3", "db-1"))
    for one, its in (
        (service("web", "10.96.0.10"), []),
        (service("db", "None"), [slices]),
        (service("out", type="ExternalName", externalName="www.example.com"), []),
        (service("in", type="ExternalName", externalName=f"web.{SVC}"), []),
        (service("loop", type="ExternalName", externalName=f"loop.{SVC}"), []),
        (service("lost", type="ExternalName", externalName=f"nowhere.{SVC}"), []),
    ):
        key = (one.metadata.namespace, one.metadata.name)
        zone.replace(key, service_records(one, its, DOMAIN))
    return zone


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        (f"web.{SVC}", "A", ["10.96.0.10"]),
        (f"WEB.{SVC}", "A", ["10.96.0.10"]),
        (f"db.{SVC}", "A", ["10.244.0.2", "10.244.0.3"]),
        (f"db-1.db.{SVC}", "A", ["10.244.0.3"]),
        (f"_http._tcp.web.{SVC}", "SRV", [f"0 100 80 web.{SVC}."]),
        ("10.0.96.10.in-addr.arpa", "PTR", [f"web.{SVC}."]),
        ("10-244-0-9.default.pod.cluster.local", "A", ["10.244.0.9"]),
        ("fd00--1.default.pod.cluster.local", "AAAA", ["fd00::1"]),
        ("dns-version.cluster.local", "TXT", ['"1.1.0"']),
        (DOMAIN, "NS", ["ns.dns.cluster.local."]),
        ("ns.dns.cluster.local", "A", ["10.96.0.53"]),
        (f"in.{SVC}", "A", [f"web.{SVC}.", "10.96.0.10"]),
        (f"in.{SVC}", "CNAME", [f"web.{SVC}."]),
    ],
)
def test_answers(zone: Zone, name: str, kind: str, data: list[str]) -> None:
    found = answer(zone, name, kind, ("10.96.0.53",))
    assert found is not None
    assert found.code == "NOERROR"
    assert [record.data for record in found.records] == data
    assert not found.authority


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        (f"web.{SVC}", "AAAA", "NOERROR"),
        (f"web.{SVC}", "MX", "NOERROR"),
        (SVC, "A", "NOERROR"),
        ("svc.cluster.local", "A", "NOERROR"),
        (DOMAIN, "A", "NOERROR"),
        ("default.pod.cluster.local", "A", "NOERROR"),
        (f"nope.{SVC}", "A", "NXDOMAIN"),
        ("nope.cluster.local", "A", "NXDOMAIN"),
        (f"_http._udp.web.{SVC}", "SRV", "NXDOMAIN"),
        ("1-2-3.default.pod.cluster.local", "A", "NXDOMAIN"),
        ("a.1-2-3-4.default.pod.cluster.local", "A", "NXDOMAIN"),
        (f"www.example.com.{SVC}", "A", "NXDOMAIN"),
    ],
)
def test_negative_answers_carry_the_soa(zone: Zone, name: str, kind: str, code: str) -> None:
    found = answer(zone, name, kind)
    assert found is not None
    assert (found.code, found.records, found.authority) == (code, (), True)


@pytest.mark.parametrize("name", ["www.example.com", "9.9.9.10.in-addr.arpa", "local", ""])
def test_other_names_are_not_ours(zone: Zone, name: str) -> None:
    assert answer(zone, name, "A") is None


def test_aliases(zone: Zone) -> None:
    outside = answer(zone, f"out.{SVC}", "A")
    assert outside is not None
    assert outside.chase == "www.example.com"
    lost = answer(zone, f"lost.{SVC}", "A")
    assert lost is not None
    assert (lost.code, len(lost.records)) == ("NXDOMAIN", 1)
    loop = answer(zone, f"loop.{SVC}", "A")
    assert loop is not None
    assert {record.type for record in loop.records} == {"CNAME"}


def test_srv_answers_bring_addresses(zone: Zone) -> None:
    found = answer(zone, f"_http._tcp.db.{SVC}", "SRV")
    assert found is not None
    assert [(record.name, record.data) for record in found.additional] == [
        (f"db-0.db.{SVC}", "10.244.0.2"),
        (f"db-1.db.{SVC}", "10.244.0.3"),
    ]
