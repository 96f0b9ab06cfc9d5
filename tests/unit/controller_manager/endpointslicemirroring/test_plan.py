"""Slices that mirror Endpoints written by hand."""

from __future__ import annotations

import pytest

from controller_manager.endpointslicemirroring.plan import Observed, plan_mirror
from controller_manager.plan import Create, Delete, Update
from wherry.api.core_v1 import Endpoints, Service

SERVICE = Service.from_wire({"metadata": {"name": "db", "namespace": "ns"}})
SELECTING = Service.from_wire(
    {"metadata": {"name": "db", "namespace": "ns"}, "spec": {"selector": {"a": "b"}}}
)


def endpoints(*addresses, labels=None, notes=None, not_ready=()):
    subset = {
        "addresses": [{"ip": ip} for ip in addresses],
        "notReadyAddresses": [{"ip": ip} for ip in not_ready],
        "ports": [{"name": "sql", "port": 5432}],
    }
    metadata = {"name": "db", "namespace": "ns", "uid": "e1"}
    return Endpoints.from_wire(
        {
            "metadata": {**metadata, "labels": labels or {}, "annotations": notes or {}},
            "subsets": [subset],
        }
    )


def made(observed):
    return [action.object for action in plan_mirror(observed) if isinstance(action, Create)]


def test_one_slice_for_each_family():
    given = endpoints("10.0.0.1", "fd00::1", not_ready=["10.0.0.2"], labels={"x": "y"})
    four, six = made(Observed(given, SERVICE, ()))
    assert (four.address_type, six.address_type) == ("IPv4", "IPv6")
    ready = [(e.addresses, e.conditions.ready) for e in four.endpoints]
    assert ready == [(["10.0.0.1"], True), (["10.0.0.2"], False)]
    assert four.ports[0].port == 5432
    assert four.metadata.labels == {
        "x": "y",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert four.metadata.owner_references[0].kind == "Endpoints"


def test_right_slices_are_left_alone_and_changed_ones_updated():
    before = endpoints("10.0.0.1")
    slices = tuple(made(Observed(before, SERVICE, ())))
    assert plan_mirror(Observed(before, SERVICE, slices)) == []
    (action,) = plan_mirror(Observed(endpoints("10.0.0.9"), SERVICE, slices))
    assert isinstance(action, Update)
    assert action.object.metadata.name == slices[0].metadata.name
    assert action.object.endpoints[0].addresses == ["10.0.0.9"]


@pytest.mark.parametrize(
    ("given", "service"),
    [
        pytest.param(None, SERVICE, id="no Endpoints"),
        pytest.param(endpoints("10.0.0.1"), None, id="no Service"),
        pytest.param(endpoints("10.0.0.1"), SELECTING, id="pods are selected"),
        pytest.param(
            endpoints("10.0.0.1", labels={"endpointslice.kubernetes.io/skip-mirror": "true"}),
            SERVICE,
            id="skipped",
        ),
        pytest.param(
            endpoints("10.0.0.1", notes={"control-plane.alpha.kubernetes.io/leader": "{}"}),
            SERVICE,
            id="a lock",
        ),
        pytest.param(endpoints(), SERVICE, id="empty"),
    ],
)
def test_not_mirrored(given, service):
    slices = tuple(made(Observed(endpoints("10.0.0.1"), SERVICE, ())))
    (action,) = plan_mirror(Observed(given, service, slices))
    assert isinstance(action, Delete)
    assert plan_mirror(Observed(given, service, ())) == []
