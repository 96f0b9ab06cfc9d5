"""NetworkPolicies: what the specification says, case by case."""

from __future__ import annotations

import pytest

from proxy.family import IP4, IP6
from proxy.models import PodCondition
from proxy.policy import NETWORK_CONDITION, Policies, compile_policy
from proxy.ruleset import NOTHING, Part
from tests.unit.proxy.make import NODE, endpoint, endpoint_slice, parts, pod, policy, service, table
from tests.unit.proxy.tracer import Packet, Table

WEB, CLIENT, FAR = "10.244.0.2", "10.244.0.3", "10.244.1.3"
NAMESPACES = {"default": {"team": "a"}, "other": {"team": "b"}}
PODS = [
    pod("web", WEB, labels={"app": "web"}, ports=[("http", 8080)]),
    pod("client", CLIENT, labels={"app": "client"}),
    pod("far", FAR, namespace="other", node="n2", labels={"app": "client"}, ports=[("http", 80)]),
]


OWN = ("10.244.0.0/24",)


def machine(*policies, pods=PODS, more=None, family=IP4) -> Table:
    known = Policies()
    for one in policies:
        known.replace(one.metadata.namespace, one.metadata.name, compile_policy(one))
    held = {
        f"pod {one.metadata.name}": known.part(
            one,
            NAMESPACES[one.metadata.namespace],
            family,
            here=one.spec.node_name == "n1",
            own=OWN,
        )
        for one in pods
    }
    return table({**(more or {}), **held}, [NODE], family)


def passes(node: Table, source: str, target: str, port: int = 80, protocol: str = "tcp") -> bool:
    [fate] = node.fates(Packet(source, target, port, protocol, local=source == NODE))
    return fate.verdict == "pass"


DENY = policy(policyTypes=["Ingress"])


def test_a_selected_pod_is_closed_and_no_other() -> None:
    node = machine(policy(podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Ingress"]))
    assert not passes(node, CLIENT, WEB)
    assert not passes(node, "192.0.2.9", WEB)
    assert passes(node, CLIENT, FAR)
    assert passes(node, WEB, CLIENT), "egress is another matter"


def test_the_node_reaches_its_pods_and_a_pod_itself() -> None:
    node = machine(policy(policyTypes=["Ingress", "Egress"]))
    assert passes(node, NODE, WEB), "probes"
    assert passes(node, WEB, WEB)
    assert passes(node, WEB, NODE)
    assert not passes(node, WEB, CLIENT)


def test_a_pod_is_isolated_before_anybody_knows_its_address() -> None:
    """Whatever the node's range has that is no known pod's may be it."""
    new, unknown = pod("new", labels={"app": "new"}), "10.244.0.77"
    closed = policy(policyTypes=["Ingress"], podSelector={"matchLabels": {"app": "new"}})
    node = machine(closed, pods=[*PODS, new])
    assert not passes(node, CLIENT, unknown)
    assert passes(node, unknown, CLIENT), "egress is another matter"
    assert passes(node, CLIENT, WEB), "known pods are not concerned"
    assert passes(node, CLIENT, FAR)
    assert passes(node, NODE, unknown), "its own node: the probes' way"
    silent = policy("out", policyTypes=["Egress"], podSelector={"matchLabels": {"app": "new"}})
    assert not passes(machine(silent, pods=[*PODS, new]), unknown, FAR)
    there = pod("new", unknown, labels={"app": "new"})
    assert not passes(machine(closed, pods=[*PODS, there]), CLIENT, unknown), "now by its address"
    again = there.with_(status=there.status.with_(conditions=[
        PodCondition(type=NETWORK_CONDITION, status="False")]))  # fmt: skip
    assert not passes(machine(closed, pods=[*PODS, again]), CLIENT, "10.244.0.78"), "a new network"
    for nobody in (
        pod("new", labels={"app": "other"}),
        pod("new", labels={"app": "new"}, node="n2"),
        pod("new", labels={"app": "new"}, hostNetwork=True),
        new.with_(status=new.status.with_(phase="Failed")),
        new.with_(metadata=new.metadata.with_(deletion_timestamp="2026-01-01T00:00:00Z")),
    ):
        assert passes(machine(closed, pods=[*PODS, nobody]), CLIENT, unknown)


def test_policies_add_up() -> None:
    from_far = policy(
        "far", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}]
    )
    node = machine(DENY, from_far)
    assert passes(node, FAR, WEB)
    assert not passes(node, CLIENT, WEB)
    anything = policy("open", ingress=[{}])
    assert passes(machine(DENY, anything), CLIENT, WEB)


def test_both_ends_must_agree() -> None:
    out = policy("out", podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"],
                 egress=[{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}])  # fmt: skip
    assert passes(machine(out), CLIENT, WEB)
    assert not passes(machine(out, DENY), CLIENT, WEB)
    assert not passes(machine(out), CLIENT, FAR), "a pod selector speaks of its own namespace"


def test_default_kinds_are_those_that_have_rules() -> None:
    node = machine(policy(egress=[{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]))
    assert passes(node, WEB, "192.0.2.1")
    assert not passes(node, WEB, FAR)
    assert not passes(node, CLIENT, WEB), "ingress is always meant"
    assert passes(machine(policy(ingress=[{}])), WEB, FAR)


@pytest.mark.parametrize(("target", "port", "expected"), [(WEB, 8080, True), (WEB, 80, False)])
def test_named_ports_are_the_targets(target: str, port: int, expected: bool) -> None:
    node = machine(policy(ingress=[{"ports": [{"port": "http"}]}]))
    assert passes(node, CLIENT, target, port) == expected
    out = machine(policy(policyTypes=["Egress"], egress=[{"ports": [{"port": "http"}]}]))
    assert passes(out, CLIENT, target, port) == expected
    assert passes(out, CLIENT, FAR, 80)


def test_pods_in_the_hosts_network_are_not_subject() -> None:
    host = pod("host", NODE, hostNetwork=True)
    known = Policies()
    known.replace("default", "np", compile_policy(DENY))
    assert known.part(host, {}, IP4, here=True) == NOTHING
    ended = pod("ended", WEB)
    ended = ended.with_(status=ended.status.with_(phase="Succeeded"))
    assert known.part(ended, {}, IP4, here=True) == NOTHING


def test_policies_see_the_pod_behind_a_service_and_the_client_before_it() -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    objects = [service(ports=ports, type="NodePort"), endpoint_slice(endpoint(WEB))]
    rule = policy(ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}},
                                     {"ipBlock": {"cidr": "192.0.2.0/24"}}],
                            "ports": [{"port": 8080}]}])  # fmt: skip
    node = machine(rule, more=parts(objects))
    assert passes(node, CLIENT, "10.96.0.10")
    assert passes(node, "192.0.2.9", NODE, 30080)
    assert not passes(node, "198.51.100.9", NODE, 30080)
    assert not passes(node, FAR, "10.96.0.10")


def test_ipv6() -> None:
    six = [pod("web", "fd00::2", labels={"app": "web"}), pod("client", "fd00::3")]
    rule = policy(
        ingress=[
            {"from": [{"ipBlock": {"cidr": "fd09::/16"}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}]}
        ]
    )
    node = machine(rule, pods=six, family=IP6)
    assert passes(node, "fd09::1", "fd00::2")
    assert not passes(node, "fd00::3", "fd00::2")
    only4 = policy(ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}])
    assert not passes(machine(only4, pods=six, family=IP6), "fd09::1", "fd00::2")


def test_pods_of_the_same_policies_share_a_chain_and_others_cost_their_addresses() -> None:
    many = [pod(f"p{n}", f"10.244.0.{n}") for n in range(2, 50)]
    known = Policies()
    known.replace(
        "default", "np", compile_policy(policy(ingress=[{"from": [{"podSelector": {}}]}]))
    )
    held = [known.part(one, {}, IP4, here=True) for one in many]
    assert len({name for one in held for name in one.chains}) == 1
    elsewhere = known.part(many[0], {}, IP4, here=False)
    assert not elsewhere.chains
    [(name, keys)] = elsewhere.elements.items()
    assert name.startswith("peers-")
    assert len(keys) == 1


def test_what_is_left_when_policies_go() -> None:
    known = Policies()
    rule = policy(ingress=[{"from": [{"namespaceSelector": {}}], "ports": [{"port": "http"}]}])
    assert known.replace("default", "np", compile_policy(rule)), "other namespaces' pods are peers"
    assert not known.replace("default", "np", compile_policy(rule))
    assert known.replace("default", "np", None)
    assert not known
    assert known.part(PODS[0], {}, IP4, here=True) == Part()


def test_a_malformed_selector_is_an_error() -> None:
    wrong = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    with pytest.raises(ValueError, match="Near"):
        compile_policy(policy(podSelector=wrong))
