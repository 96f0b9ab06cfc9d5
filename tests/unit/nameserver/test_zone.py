"""Which names there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nameserver.zone import Record, Zone, service_records
from tests.unit.nameserver.make import endpoint, endpoint_slice, service

DOMAIN = "cluster.local"
WEB = "web.default.svc.cluster.local"


def records(*arguments) -> set[tuple[str, str, str]]:
    one, *slices = arguments
    return set(service_records(one, slices, DOMAIN))


def test_a_service_with_a_cluster_address() -> None:
    assert records(service("web", "10.96.0.10")) == {
        (WEB, "A", "10.96.0.10"),
        ("10.0.96.10.in-addr.arpa", "PTR", f"{WEB}."),
        (WEB, "SRV", f"0 100 80 {WEB}."),
        (f"_http._tcp.{WEB}", "SRV", f"0 100 80 {WEB}."),
    }


def test_a_dual_stack_service() -> None:
    both = service("web", "10.96.0.10", clusterIPs=["10.96.0.10", "fd00::1"], ports=[])
    assert (WEB, "AAAA", "fd00::1") in records(both)


def test_a_headless_service() -> None:
    slices = endpoint_slice(
        "web",
        endpoint("10.244.0.2", "web-0"),
        endpoint("10.244.0.3"),
        endpoint("10.244.0.4", ready=False),
    )
    assert records(service("web", "None"), slices) == {
        (WEB, "A", "10.244.0.2"),
        (WEB, "A", "10.244.0.3"),
        (f"web-0.{WEB}", "A", "10.244.0.2"),
        (f"10-244-0-3.{WEB}", "A", "10.244.0.3"),
        ("2.0.244.10.in-addr.arpa", "PTR", f"web-0.{WEB}."),
        ("3.0.244.10.in-addr.arpa", "PTR", f"10-244-0-3.{WEB}."),
        *((name, "SRV", f"0 50 8080 {host}.{WEB}.")
          for name in (WEB, f"_http._tcp.{WEB}") for host in ("web-0", "10-244-0-3")),
    }  # fmt: skip


def test_an_external_name() -> None:
    alias = service("web", type="ExternalName", externalName="example.com.")
    assert records(alias) == {(WEB, "CNAME", "example.com.")}


def test_a_service_without_an_address_yet_has_no_names() -> None:
    assert records(service("web")) == set()


def test_lookup_tells_missing_names_from_empty_ones() -> None:
    zone = Zone("Cluster.Local.")
    zone.replace(("default", "web"), service_records(service("web", "10.96.0.10"), [], DOMAIN))
    assert zone.lookup(WEB) == {"A": ["10.96.0.10"], "SRV": [f"0 100 80 {WEB}."]}
    for parent in ("default.svc.cluster.local", "svc.cluster.local", f"_tcp.{WEB}"):
        assert zone.lookup(parent) == {}
    assert zone.lookup("db.default.svc.cluster.local") is None
    assert zone.owns("anything.cluster.local")
    assert zone.owns("10.0.96.10.in-addr.arpa")
    assert not zone.owns("11.0.96.10.in-addr.arpa")
    assert not zone.owns("notcluster.local")


def test_replacing_with_the_same_changes_nothing() -> None:
    zone = Zone(DOMAIN)
    same = service_records(service("web", "10.96.0.10"), [], DOMAIN)
    assert zone.replace(("default", "web"), same)
    assert not zone.replace(("default", "web"), same)
    assert zone.replace(("default", "web"), ())
    assert not zone.replace(("default", "web"), ())


keys = st.tuples(st.just("ns"), st.sampled_from("abc"))
some_records = st.lists(
    st.builds(Record, st.sampled_from(["a.b.c", "b.c", "x.c"]), st.sampled_from(["A", "SRV"]),
              st.sampled_from(["1", "2"])),
    unique=True, max_size=4,
)  # fmt: skip


@given(st.lists(st.tuples(keys, some_records), max_size=8))
def test_a_zone_depends_on_its_content_only(steps) -> None:
    lived = Zone(DOMAIN)
    for key, found in steps:
        lived.replace(key, found)
    fresh = Zone(DOMAIN)
    for key, found in dict(steps).items():
        fresh.replace(key, found)
    for name in ("a.b.c", "b.c", "x.c", "c", "d"):
        one, other = lived.lookup(name), fresh.lookup(name)
        assert (one is None) == (other is None)
        assert {k: set(v) for k, v in (one or {}).items()} == {
            k: set(v) for k, v in (other or {}).items()
        }
