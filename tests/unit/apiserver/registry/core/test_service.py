"""Services: defaults, allocation, transitions, rules."""

from __future__ import annotations

import ipaddress
import json
import random
from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.codec.decode import decode
from apiserver.registry.core.service import ServiceStrategy
from apiserver.registry.core.service_allocator import AddressRange, AllocationError, PortRange
from wherry.api.core_v1 import Service
from wherry.api.errors import ApiError

V4 = ipaddress.ip_network("10.96.0.0/24")
V6 = ipaddress.ip_network("fd00::/112")
STRATEGY = ServiceStrategy([V4])
DUAL = ServiceStrategy([V4, V6])
PORT = {"port": 80}


def decoded(spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "s", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return decode(Service, json.dumps({"metadata": metadata, "spec": spec}).encode()).tree


def created(
    spec: dict[str, Any],
    others: Iterable[dict[str, Any]] = (),
    strategy: ServiceStrategy = STRATEGY,
) -> dict[str, Any]:
    tree = decoded(spec)
    strategy.default(tree)
    strategy.allocate(tree, None, lambda: others)
    strategy.prepare_for_create(tree)
    return tree


def updated(old: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    tree = decoded(spec)
    STRATEGY.default(tree)
    STRATEGY.allocate(tree, old, lambda: [])
    STRATEGY.prepare_for_update(tree, old)
    return tree


def said(tree: dict[str, Any]) -> list[str]:
    return [str(one) for one in STRATEGY.validate(tree)]


class TestDefaults:
    def test_of_a_cluster_ip_service(self) -> None:
        spec = created({"ports": [PORT]})["spec"]
        address = ipaddress.ip_address(spec.pop("clusterIP"))
        assert address in V4
        assert spec.pop("clusterIPs") == [str(address)]
        assert spec == {
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
        }

    def test_of_a_load_balancer(self) -> None:
        spec = created({"type": "LoadBalancer", "ports": [PORT], "externalTrafficPolicy": "Local"})[
            "spec"
        ]
        assert spec["allocateLoadBalancerNodePorts"]
        assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
        assert 30000 <= spec["healthCheckNodePort"] <= 32767
        assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]

    def test_session_affinity_has_a_time(self) -> None:
        spec = created({"ports": [PORT], "sessionAffinity": "ClientIP"})["spec"]
        assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}

    def test_headless_services_have_no_address(self) -> None:
        spec = created({"clusterIP": "None", "selector": {"a": "b"}})["spec"]
        assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])
        assert spec["ipFamilyPolicy"] == "SingleStack"
        bare = created({"clusterIP": "None"})["spec"]
        assert (bare["ipFamilies"], bare["ipFamilyPolicy"]) == (
            ["IPv4", "IPv6"],
            "RequireDualStack",
        )

    def test_external_names_get_nothing(self) -> None:
        spec = created({"type": "ExternalName", "externalName": "a.b"})["spec"]
        assert spec == {"type": "ExternalName", "sessionAffinity": "None", "externalName": "a.b"}

    def test_two_families(self) -> None:
        spec = created({"ports": [PORT], "ipFamilyPolicy": "RequireDualStack"}, strategy=DUAL)[
            "spec"
        ]
        assert spec["ipFamilies"] == ["IPv4", "IPv6"]
        assert ipaddress.ip_address(spec["clusterIPs"][1]) in V6


class TestAllocation:
    def refused(self, spec: dict[str, Any], others: Iterable[dict[str, Any]] = ()) -> ApiError:
        with pytest.raises(ApiError) as refusal:
            created(spec, others)
        return refusal.value

    def test_a_wish_is_granted(self) -> None:
        spec = created({"clusterIP": "10.96.0.7", "type": "NodePort", "ports": [{"port": 1, "nodePort": 30007}]})["spec"]  # fmt: skip
        assert spec["clusterIPs"] == ["10.96.0.7"]
        assert spec["ports"][0]["nodePort"] == 30007

    def test_not_twice(self) -> None:
        first = created({"type": "NodePort", "clusterIP": "10.96.0.7", "ports": [{"port": 1, "nodePort": 30007}]})  # fmt: skip
        address = self.refused({"clusterIP": "10.96.0.7", "ports": [PORT]}, [first])
        assert address.code == 422
        assert address.causes == [
            {
                "reason": "FieldValueInvalid",
                "message": 'Invalid value: ["10.96.0.7"]: failed to allocate IP 10.96.0.7: provided IP is already allocated',
                "field": "spec.clusterIPs",
            }
        ]
        port = self.refused(
            {"type": "NodePort", "ports": [{"port": 1, "nodePort": 30007}]}, [first]
        )
        assert port.causes[0] == {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: 30007: provided port is already allocated",
            "field": "spec.ports[0].nodePort",
        }

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            ({"clusterIP": "10.97.0.1"}, "does not match the current range"),
            ({"clusterIP": "10.96.0.0"}, "the provided network does not match the current range"),
            ({"clusterIP": "10.96.0.255"}, "does not match the current range"),
            ({"type": "NodePort", "ports": [{"port": 1, "nodePort": 1}]}, "The range of valid ports is 30000-32767"),
            ({"ipFamilyPolicy": "RequireDualStack"}, "this cluster is not configured for dual-stack services"),
            ({"ipFamilies": ["IPv6"]}, "not configured on this cluster"),
            ({"clusterIP": "x"}, "must be a valid IP address"),
        ],
        ids=str,
    )  # fmt: skip
    def test_refusals(self, spec: dict[str, Any], words: str) -> None:
        assert words in self.refused({"ports": [PORT], **spec}).message

    def test_protocols_of_one_port_share_a_node_port(self) -> None:
        ports = [{"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP"}]
        found = created({"type": "NodePort", "ports": ports})["spec"]["ports"]
        assert found[0]["nodePort"] == found[1]["nodePort"]

    def test_a_full_range(self) -> None:
        small = ServiceStrategy([ipaddress.ip_network("10.0.0.0/30")])
        first = created({"ports": [PORT]}, strategy=small)
        assert first["spec"]["clusterIP"] == "10.0.0.2"
        with pytest.raises(ApiError) as refusal:
            created({"ports": [PORT]}, [first], small)
        assert refusal.value.code == 500
        assert "failed to allocate a serviceIP: range is full" in refusal.value.message


class TestUpdates:
    def test_what_was_allocated_stays(self) -> None:
        old = created({"type": "NodePort", "ports": [{"name": "a", "port": 80}]})
        new = updated(old, {"type": "NodePort", "ports": [{"name": "a", "port": 81}]})
        assert new["spec"]["clusterIPs"] == old["spec"]["clusterIPs"]
        assert new["spec"]["ports"][0]["nodePort"] == old["spec"]["ports"][0]["nodePort"]
        assert STRATEGY.validate_update(new, old) == []

    def test_a_narrower_type_loses_node_ports(self) -> None:
        old = created({"type": "NodePort", "ports": [PORT]})
        spec = {**deepcopy(old["spec"]), "type": "ClusterIP"}
        new = updated(old, spec)
        assert "nodePort" not in new["spec"]["ports"][0]
        assert "externalTrafficPolicy" not in new["spec"]
        assert STRATEGY.validate_update(new, old) == []

    def test_becoming_a_name_loses_the_address(self) -> None:
        old = created({"ports": [PORT]})
        new = updated(old, {**deepcopy(old["spec"]), "type": "ExternalName", "externalName": "a.b"})
        assert {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}.isdisjoint(new["spec"])
        assert STRATEGY.validate_update(new, old) == []

    def test_becoming_reachable_gets_ports(self) -> None:
        old = created({"ports": [PORT]})
        new = updated(old, {**deepcopy(old["spec"]), "type": "NodePort"})
        assert new["spec"]["ports"][0]["nodePort"] >= 30000
        assert new["spec"]["clusterIPs"] == old["spec"]["clusterIPs"]

    def test_an_address_is_for_life(self) -> None:
        old = created({"clusterIP": "10.96.0.7", "ports": [PORT]})
        new = updated(old, {"clusterIP": "10.96.0.8", "ports": [PORT]})
        errors = [str(one) for one in STRATEGY.validate_update(new, old)]
        assert errors == [
            'spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set'
        ]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "spec.ports: Required value"),
        ({"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"port": 1, "nodePort": 30000}]}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
        ({"type": "NodePort", "clusterIP": "None", "ports": [PORT]}, "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"),
        ({"type": "ExternalName", "externalName": "a_b"}, 'spec.externalName: Invalid value: "a_b": a lowercase RFC 1123 subdomain'),
        ({"type": "ExternalName", "externalName": "a", "clusterIP": "10.96.0.3"}, "spec.clusterIPs: Forbidden: may not be set for ExternalName services"),
        ({"ports": [PORT], "externalIPs": ["127.0.0.1"]}, 'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range'),
        ({"ports": [PORT], "loadBalancerClass": "a"}, "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"),
        ({"ports": [PORT], "internalTrafficPolicy": "x"}, 'spec.internalTrafficPolicy: Unsupported value: "x": supported values: "Cluster", "Local"'),
        ({"ports": [PORT], "healthCheckNodePort": 1}, "spec.healthCheckNodePort: Invalid value: 1: may only be set when"),
    ],
    ids=str,
)  # fmt: skip
def test_refused(spec: dict[str, Any], words: str) -> None:
    errors = said(created(spec))
    assert any(one.startswith(words) for one in errors), errors


def test_rows() -> None:
    now = datetime(2026, 1, 1, 1, tzinfo=UTC)
    node = created({"type": "NodePort", "clusterIP": "10.96.0.7", "selector": {"b": "2", "a": "1"}, "ports": [{"port": 80, "nodePort": 30001}]})  # fmt: skip
    assert STRATEGY.row(node, now) == ("s", "NodePort", "10.96.0.7", "<none>", "80:30001/TCP", "60m", "a=1,b=2")  # fmt: skip
    name = created({"type": "ExternalName", "externalName": "a.b"})
    assert STRATEGY.row(name, now) == ("s", "ExternalName", "<none>", "a.b", "<none>", "60m", "<none>")  # fmt: skip
    balancer = created({"type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": [{"port": 80, "nodePort": 30001}]})  # fmt: skip
    assert STRATEGY.row(balancer, now)[3] == "<pending>"
    balancer["status"]["loadBalancer"]["ingress"] = [{"ip": "1.2.3.4"}]
    assert STRATEGY.row(balancer, now)[3] == "1.2.3.4"


class TestRanges:
    @given(st.sets(st.integers(0, 255)), st.integers())
    def test_an_address_is_free_inside_and_not_the_first(self, taken: set[int], seed: int) -> None:
        used = {f"10.96.0.{one}" for one in taken}
        found = AddressRange(V4, random.Random(seed))
        try:
            address = found.allocate(used)
        except AllocationError:
            assert {f"10.96.0.{one}" for one in range(2, 255)} <= used
            return
        assert address not in used
        assert 2 <= int(address.rpartition(".")[2]) <= 254

    def test_the_upper_band_is_used_first(self) -> None:
        found = AddressRange(V4, random.Random(1))
        used: set[str] = set()
        for _ in range(238):
            used.add(found.allocate(used))
        assert all(int(one.rpartition(".")[2]) > 16 for one in used)
        assert int(found.allocate(used).rpartition(".")[2]) <= 16

    def test_ports_too(self) -> None:
        found = PortRange(30000, 30099, random.Random(1))
        used: set[int] = set()
        for _ in range(100):
            used.add(found.allocate(used))
        assert used == set(range(30000, 30100))
        with pytest.raises(AllocationError, match="range is full"):
            found.allocate(used)
