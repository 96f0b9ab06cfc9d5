"""The Endpoints object of a Service, and what both endpoint controllers share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller_manager import services
from controller_manager.endpoints.plan import ADDRESSES_MAX, Observed, plan_endpoints
from controller_manager.plan import Create, Delete, Update
from wherry.api.core_v1 import Endpoints, Pod, Service

T0 = datetime(2026, 11, 21, tzinfo=UTC)


def service(**spec):
    ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}]
    return Service.from_wire(
        {
            "metadata": {"name": "web", "namespace": "ns", "uid": "s1", "creationTimestamp": "2026-11-21T00:00:00Z"},
            "spec": {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ports": ports, **spec},
        }
    )  # fmt: skip


def pod(number, *, ready=True, deleted=False, since="2026-11-21T00:00:05Z", **spec):
    return Pod.from_wire(
        {
            "metadata": {
                "name": f"p{number}", "namespace": "ns", "uid": f"u{number}", "labels": {"app": "web"},
                **({"deletionTimestamp": "2026-11-21T00:00:00Z"} if deleted else {}),
            },
            "spec": {"nodeName": "n1", **spec},
            "status": {
                "phase": "Running", "podIP": f"10.1.{number // 250}.{number % 250 + 1}",
                "conditions": [
                    {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}
                ],
            },
        }
    )  # fmt: skip


def made(plan) -> Endpoints:
    (action,) = plan.actions
    assert isinstance(action, (Create, Update))
    return action.object


def test_ready_and_not_ready_share_a_subset():
    found = made(plan_endpoints(Observed(service(), (pod(1), pod(2, ready=False)), None)))
    assert found.metadata.name == "web"
    assert found.metadata.labels == {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    (subset,) = found.subsets
    assert [a.ip for a in subset.addresses] == ["10.1.0.2"]
    assert [a.ip for a in subset.not_ready_addresses] == ["10.1.0.3"]
    assert subset.addresses[0].target_ref.name == "p1"
    assert subset.addresses[0].node_name == "n1"
    assert [p.to_wire() for p in subset.ports] == [
        {"name": "http", "port": 8080, "protocol": "TCP"}
    ]


def test_a_right_object_is_left_alone():
    first = made(plan_endpoints(Observed(service(), (pod(1),), None)))
    assert plan_endpoints(Observed(service(), (pod(1),), first, changed_at=T0)).actions == ()


def test_a_terminating_pod_leaves_unless_published():
    assert made(plan_endpoints(Observed(service(), (pod(1, deleted=True),), None))).subsets == []
    publish = service(publishNotReadyAddresses=True)
    (subset,) = made(plan_endpoints(Observed(publish, (pod(1, deleted=True),), None))).subsets
    assert len(subset.addresses) == 1


def test_headless_without_ports():
    wanted = service(clusterIP="None", ports=[])
    found = made(plan_endpoints(Observed(wanted, (pod(1, hostname="a", subdomain="web"),), None)))
    assert found.metadata.labels["service.kubernetes.io/headless"] == ""
    assert found.subsets[0].addresses[0].hostname == "a"
    assert found.subsets[0].ports == []


def test_too_many_addresses_are_cut_ready_ones_first():
    pods = tuple(pod(i, ready=i % 2 == 0) for i in range(ADDRESSES_MAX + 200))
    found = made(plan_endpoints(Observed(service(), pods, None)))
    (subset,) = found.subsets
    assert len(subset.addresses) == (ADDRESSES_MAX + 200) // 2
    assert len(subset.addresses) + len(subset.not_ready_addresses) == ADDRESSES_MAX
    assert found.metadata.annotations["endpoints.kubernetes.io/over-capacity"] == "truncated"


def test_endpoints_go_with_their_service():
    first = made(plan_endpoints(Observed(service(), (), None)))
    (action,) = plan_endpoints(Observed(None, (), first)).actions
    assert isinstance(action, Delete)
    assert plan_endpoints(Observed(None, (), None)).actions == ()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(None, pod(1), True, id="new"),
        pytest.param(pod(1), None, True, id="gone"),
        pytest.param(pod(1), pod(1, ready=False), True, id="no longer ready"),
        pytest.param(pod(1), pod(1, priority=5), False, id="nothing that matters"),
        pytest.param(
            pod(1), pod(1).with_(metadata=pod(1).metadata.with_(labels={})), True, id="label lost"
        ),
    ],
)
def test_which_changes_wake_the_service(before, after, expected):
    assert bool(services.affected([service()], before, after)) is expected


def test_trigger_times_are_told_once():
    times = services.TriggerTimes()
    created = service().metadata.creation_timestamp
    assert times.newest_change("k", service(), [pod(1)]) == created
    assert times.newest_change("k", service(), [pod(1)]) is None
    later = pod(1, since="2026-11-21T00:01:00Z")
    assert times.newest_change("k", service(), [later]) == T0 + timedelta(minutes=1)
    times.forget("k")
    assert times.newest_change("k", service(), [later]) == created


def test_services_that_are_not_ours():
    assert not services.has_endpoints(service(selector={}))
    assert not services.has_endpoints(service(type="ExternalName"))
