"""Slices of a Service: contents, conditions, distribution and names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller_manager.endpointslice.plan import Observed, plan_slices
from controller_manager.plan import Create, Delete, Update
from wherry.api.core_v1 import Pod, Service
from wherry.api.discovery_v1 import EndpointSlice

T0 = datetime(2026, 11, 21, tzinfo=UTC)


def service(**spec):
    return Service.from_wire(
        {
            "metadata": {"name": "web", "namespace": "ns", "uid": "s1", "labels": {"team": "a"}},
            "spec": {
                "selector": {"app": "web"},
                "clusterIP": "10.96.0.9",
                "ipFamilies": ["IPv4"],
                "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "web"}],
                **spec,
            },
        }
    )


def pod(number, *, ready=True, deleted=False, port=8080, node="n1", phase="Running", **spec):
    return Pod.from_wire(
        {
            "metadata": {
                "name": f"p{number}", "namespace": "ns", "uid": f"u{number}", "labels": {"app": "web"},
                **({"deletionTimestamp": "2026-11-21T00:00:00Z"} if deleted else {}),
            },
            "spec": {
                "nodeName": node,
                "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": port, "protocol": "TCP"}]}],
                **spec,
            },
            "status": {
                "phase": phase,
                "podIP": f"10.1.{number // 250}.{number % 250}",
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            },
        }
    )  # fmt: skip


def zone_of(name):
    return {"n1": "z1", "n2": ""}.get(name)


class Store:
    """Applies plans to a set of slices, as the API would."""

    def __init__(self) -> None:
        self.slices: dict[str, EndpointSlice] = {}
        self.writes = 0

    def sync(self, wanted, *pods, limit=100, changed_at=None):
        observed = Observed(wanted, pods, zone_of, tuple(self.slices.values()), changed_at)
        for action in plan_slices(observed, limit).actions:
            self.writes += 1
            match action:
                case Create(object=piece):
                    assert piece.metadata.name not in self.slices
                    self.slices[piece.metadata.name] = piece
                case Update(object=piece):
                    self.slices[piece.metadata.name] = piece
                case Delete(name=name):
                    del self.slices[name]

    @property
    def only(self) -> EndpointSlice:
        (piece,) = self.slices.values()
        return piece

    def names(self) -> set[str]:
        return {e.target_ref.name for piece in self.slices.values() for e in piece.endpoints}


def test_a_slice_as_upstream_makes_it():
    store = Store()
    store.sync(service(), pod(1), changed_at=T0)
    piece = store.only
    assert piece.metadata.labels == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert piece.metadata.annotations == {
        "endpoints.kubernetes.io/last-change-trigger-time": "2026-11-21T00:00:00Z"
    }
    assert piece.metadata.name.startswith("web-")
    (owner,) = piece.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller) == ("Service", "s1", True)
    assert piece.address_type == "IPv4"
    assert [p.to_wire() for p in piece.ports] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    (endpoint,) = piece.endpoints
    assert endpoint.to_wire() == {
        "addresses": ["10.1.0.1"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": "n1",
        "zone": "z1",
        "targetRef": {"kind": "Pod", "namespace": "ns", "name": "p1", "uid": "u1"},
    }


@pytest.mark.parametrize(
    ("one", "publish", "expected"),
    [
        pytest.param(pod(1), False, (True, True, False), id="ready"),
        pytest.param(pod(1, ready=False), False, (False, False, False), id="not ready"),
        pytest.param(pod(1, ready=False), True, (True, False, False), id="published anyway"),
        pytest.param(pod(1, deleted=True), False, (False, True, True), id="serving while leaving"),
        pytest.param(pod(1, deleted=True, ready=False), False, (False, False, True), id="leaving"),
    ],
)
def test_conditions(one, publish, expected):
    store = Store()
    store.sync(service(publishNotReadyAddresses=publish), one)
    conditions = store.only.endpoints[0].conditions
    assert (conditions.ready, conditions.serving, conditions.terminating) == expected


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(pod(1, phase="Succeeded"), id="ended"),
        pytest.param(pod(1).with_(status=pod(1).status.with_(pod_ip="")), id="no address yet"),
        pytest.param(pod(1, node="gone"), id="its node is unknown"),
    ],
)
def test_who_is_no_endpoint_leaves_an_empty_slice(one):
    store = Store()
    store.sync(service(), one)
    assert store.only.endpoints == []
    store.writes = 0
    store.sync(service(), one)
    assert store.writes == 0, "the placeholder stays"


def test_headless_with_hostname():
    store = Store()
    wanted = service(clusterIP="None", ports=[])
    store.sync(wanted, pod(1, hostname="a", subdomain="web"), pod(2, hostname="b", subdomain="x"))
    assert store.only.metadata.labels["service.kubernetes.io/headless"] == ""
    assert [e.hostname for e in store.only.endpoints] == ["a", None]
    assert store.only.ports == []


def test_pods_that_name_another_port_get_their_own_slice():
    store = Store()
    store.sync(service(), pod(1), pod(2, port=9090))
    assert sorted(p.ports[0].port for p in store.slices.values()) == [8080, 9090]


def test_both_families():
    store = Store()
    both = pod(1)
    ips = [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}]
    both = Pod.from_wire({**both.to_wire(), "status": {**both.to_wire()["status"], "podIPs": ips}})
    store.sync(service(ipFamilies=["IPv4", "IPv6"]), both)
    found = {p.address_type: p.endpoints[0].addresses for p in store.slices.values()}
    assert found == {"IPv4": ["10.1.0.1"], "IPv6": ["fd00::1"]}
    store.sync(service(), both)
    assert [p.address_type for p in store.slices.values()] == ["IPv4"]


def test_growth_fills_and_shrinking_empties():
    store = Store()
    store.sync(service(), *(pod(i) for i in range(1, 26)), limit=10)
    assert sorted(len(p.endpoints) for p in store.slices.values()) == [5, 10, 10]
    store.writes = 0
    store.sync(service(), *(pod(i) for i in range(1, 29)), limit=10)
    assert sorted(len(p.endpoints) for p in store.slices.values()) == [8, 10, 10]
    assert store.writes == 1, "only the slice with room changes"
    store.sync(service(), limit=10)
    assert store.only.endpoints == []


def test_slices_of_an_earlier_service_of_the_name_go():
    store = Store()
    store.sync(service(), pod(1))
    old = store.only.metadata.name
    newer = service()
    newer = newer.with_(metadata=newer.metadata.with_(uid="s2"))
    store.sync(newer, pod(1))
    assert store.only.metadata.name != old


def test_changed_labels_of_the_service_reach_the_slice():
    store = Store()
    store.sync(service(), pod(1))
    other = service()
    store.sync(other.with_(metadata=other.metadata.with_(labels={"team": "b"})), pod(1))
    assert store.only.metadata.labels["team"] == "b"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(1, 40)), max_size=6), st.integers(1, 7))
def test_any_history_ends_with_exactly_the_pods(history, limit):
    """Each pod once, no slice over the limit, and a second look changes nothing."""
    store = Store()
    for numbers in [*history, {1, 2, 3}]:
        pods = [pod(number, ready=number % 3 > 0) for number in sorted(numbers)]
        store.sync(service(), *pods, limit=limit)
        placed = [e.target_ref.name for p in store.slices.values() for e in p.endpoints]
        assert sorted(placed) == sorted(f"p{number}" for number in numbers)
        assert all(len(p.endpoints) <= limit for p in store.slices.values())
        store.writes = 0
        store.sync(service(), *pods, limit=limit)
        assert store.writes == 0
