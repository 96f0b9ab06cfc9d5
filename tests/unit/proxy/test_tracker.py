"""Which parts a change of the cluster touches: no more than it must."""

from __future__ import annotations

from typing import Any, cast

from proxy.family import IP4
from proxy.main import follow
from proxy.ruleset import NOTHING
from proxy.tracker import Settings, Todo, Tracker
from tests.unit.proxy.make import HERE, endpoint, endpoint_slice, pod, policy, service
from wherry.api.core_v1 import Node
from wherry.api.networking_v1.servicecidr import ServiceCIDR
from wherry.client.decode import WatchEvent
from wherry.client.informer import Informer


def node(name: str = "n1", zone: str = "", address: str = "172.31.0.1", cidr: str = "10.244.0.0/24") -> Node:  # fmt: skip
    return Node.from_wire(
        {
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
            "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        }
    )


class Site:
    """A tracker whose informers hear what the test says."""

    def __init__(self, **settings: Any) -> None:
        self.world = follow(cast("Any", None))
        self.notices = 0
        self.tracker = Tracker(self.world, Settings("n1", **settings), self._notice)
        self.tracker.take()

    def _notice(self) -> None:
        self.notices += 1

    def hear(self, informer: Informer[Any], obj: Any, kind: str = "ADDED") -> None:
        informer._apply(WatchEvent(kind, obj))

    def know_pods(self) -> None:
        for informer in (self.world.pods, self.world.namespaces):
            informer._synced.set()


def test_a_service_and_its_slices_touch_that_service() -> None:
    site = Site()
    site.hear(site.world.services, service("a"))
    assert site.tracker.take() == Todo({"default/a"})
    site.hear(site.world.slices, endpoint_slice(endpoint(HERE), of="b"))
    assert site.tracker.take() == Todo({"default/b"})
    again = service("a")
    site.hear(site.world.services, again.with_(metadata=again.metadata.with_(resource_version="9")))
    assert site.tracker.take() == Todo(), "nothing that matters changed"
    site.hear(site.world.services, service("a"), "DELETED")
    assert site.tracker.take() == Todo({"default/a"})
    assert site.tracker.service("default/a", IP4).part == NOTHING


def test_an_idle_slice_touches_nothing() -> None:
    site = Site()
    one = endpoint_slice(endpoint(HERE))
    site.hear(site.world.slices, one.with_(metadata=one.metadata.with_(labels={})))
    assert site.notices == 0


def test_a_node_that_only_reports_touches_nothing() -> None:
    site = Site()
    site.hear(site.world.services, service("a"))
    site.hear(site.world.nodes, node())
    assert site.tracker.take().services == {"default/a"}, "its addresses are new"
    site.hear(site.world.nodes, node(), "MODIFIED")
    assert site.tracker.take() == Todo()
    site.hear(site.world.nodes, node("n2", cidr="10.244.1.0/24", address="172.31.0.2"))
    assert site.tracker.take() == Todo(node=True)
    site.hear(site.world.nodes, node(zone="z1"), "MODIFIED")
    assert site.tracker.take() == Todo({"default/a"}, node=True)


def test_ranges_come_from_flags_or_nodes() -> None:
    site = Site()
    site.hear(site.world.nodes, node())
    site.hear(site.world.nodes, node("n2", cidr="10.244.1.0/24"))
    site.hear(
        site.world.service_cidrs,
        ServiceCIDR.from_wire(
            {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/16"]}}
        ),
    )
    site.tracker.take()
    assert site.tracker.node(IP4).elements == {
        "pods": {"10.244.0.0/23": ""},
        "own_pods": {"10.244.0.0/24": ""},
        "node_port_addresses": {"0.0.0.0/0": ""},
        "service_ranges": {"10.96.0.0/16": ""},
    }
    told = Site(
        cluster_cidrs=("10.0.0.0/8", "10.244.0.0/16", "fd00::/48"), node_port_addresses=("primary",)
    )
    told.hear(told.world.nodes, node())
    told.tracker.take()
    elements = told.tracker.node(IP4).elements
    assert elements["pods"] == {"10.0.0.0/8": ""}, "overlapping ranges are one"
    assert elements["node_port_addresses"] == {"172.31.0.1/32": ""}


def test_pods_count_only_when_there_are_policies() -> None:
    site = Site()
    site.hear(site.world.pods, pod("a", HERE))
    assert site.tracker.take() == Todo(), "who the pods are is not known yet"
    site.know_pods()
    assert site.tracker.pod("default/a", IP4) == NOTHING
    site.hear(site.world.policies, policy(policyTypes=["Ingress"]))
    assert site.tracker.take() == Todo(pods={"default/a"})
    assert "ingress" in site.tracker.pod("default/a", IP4).elements
    site.hear(site.world.pods, pod("b", "10.244.0.3", namespace="other"))
    assert site.tracker.take() == Todo(pods={"other/b"})
    closer = policy(ingress=[{"from": [{"podSelector": {}}]}])
    site.hear(site.world.policies, closer, "MODIFIED")
    assert site.tracker.take() == Todo(pods={"default/a"})
    wider = policy(ingress=[{"from": [{"namespaceSelector": {}}]}])
    site.hear(site.world.policies, wider, "MODIFIED")
    assert site.tracker.take() == Todo(pods={"default/a", "other/b"})
    site.hear(site.world.policies, wider, "DELETED")
    assert site.tracker.take().pods == {"default/a", "other/b"}
    assert site.tracker.pod("default/a", IP4) == NOTHING


def test_a_policy_that_cannot_be_read_is_left_out(caplog) -> None:
    site = Site()
    site.hear(
        site.world.policies,
        policy(podSelector={"matchExpressions": [{"key": "a", "operator": "Near"}]}),
    )
    assert "NetworkPolicy default/np is ignored" in caplog.text
    assert not site.tracker.has_policies


def test_health_checks_are_wanted_by_local_load_balancers() -> None:
    site = Site()
    site.hear(site.world.slices, endpoint_slice(endpoint(HERE), endpoint("10.244.1.2", "n2")))
    six = endpoint_slice(endpoint("fd00:244::2"), address_type="IPv6")
    site.hear(site.world.slices, six.with_(metadata=six.metadata.with_(name="six")))
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
    site.hear(site.world.services, service(**local))
    assert site.tracker.local_checks("default/web") == (31000, 1)
    site.hear(site.world.services, service(**{**local, "externalTrafficPolicy": "Cluster"}), "MODIFIED")  # fmt: skip
    assert site.tracker.local_checks("default/web") is None
