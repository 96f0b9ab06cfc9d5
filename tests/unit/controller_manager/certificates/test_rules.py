"""Which requests are a kubelet's, and which serving names are a node's own."""

import dataclasses

import pytest

from controller_manager.certificates.request import Request
from controller_manager.certificates.rules import (
    client_problem,
    kubelet_client_problem,
    kubelet_serving_problem,
    serving_refusal,
    taken_addresses,
)
from wherry.api.core_v1 import Node

CLIENT = Request("system:node:n1", ("system:nodes",))
SERVING = Request("system:node:n1", ("system:nodes",), ("n1",), ("10.0.0.1",))
FOR_CLIENTS = ["digital signature", "client auth"]
FOR_SERVERS = ["digital signature", "server auth"]


def node(name: str, *addresses: str) -> Node:
    listed = [{"type": "InternalIP", "address": one} for one in addresses]
    listed.append({"type": "Hostname", "address": name})
    return Node.from_wire({"metadata": {"name": name}, "status": {"addresses": listed}})


@pytest.mark.parametrize("more", [[], ["key encipherment"]])
def test_a_kubelets_requests_are_known(more):
    assert kubelet_client_problem(CLIENT, FOR_CLIENTS + more) == ""
    assert kubelet_serving_problem(SERVING, FOR_SERVERS + more) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"organizations": ("system:masters",)}, "organization"),
        ({"organizations": ("system:nodes", "system:masters")}, "organization"),
        ({"organizations": ()}, "organization"),
        ({"common_name": "admin"}, "common name"),
        ({"dns_names": ("a",)}, "DNS"),
        ({"addresses": ("10.0.0.1",)}, "IP"),
        ({"emails": ("a@b",)}, "Email"),
        ({"uris": ("spiffe://a",)}, "URI"),
    ],
)
def test_other_client_requests_are_not(change, words):
    assert words in kubelet_client_problem(dataclasses.replace(CLIENT, **change), FOR_CLIENTS)


@pytest.mark.parametrize("usages", [["client auth"], FOR_SERVERS, [*FOR_CLIENTS, "cert sign"]])
def test_a_kubelet_client_has_just_its_usages(usages):
    assert "usages did not match" in kubelet_client_problem(CLIENT, usages)


def test_a_serving_request_names_something():
    bare = dataclasses.replace(SERVING, dns_names=(), addresses=())
    assert kubelet_serving_problem(bare, FOR_SERVERS) == "DNS or IP subjectAltName is required"


def test_other_clients_may_have_any_name_but_no_other_usage():
    assert client_problem(Request("jane"), FOR_CLIENTS) == ""
    assert client_problem(Request("jane"), ["digital signature"]).startswith("missing")
    assert client_problem(Request("jane"), FOR_SERVERS).startswith("invalid usage")


NODE = node("n1", "10.0.0.1")


def refusal(request=SERVING, username="system:node:n1", of=NODE, taken=frozenset()):
    return serving_refusal(request, username, of, taken)


def test_a_node_serves_under_its_own_name_and_addresses():
    assert refusal() == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dns_names": ("n2",)}, "not the node's name"),
        ({"dns_names": ("kubernetes.default.svc",)}, "not the node's name"),
        ({"addresses": ("10.0.0.2",)}, "not the node's address"),
        ({"addresses": ("127.0.0.1",)}, "not the node's address"),
    ],
)
def test_it_serves_under_nobody_elses(change, words):
    assert words in refusal(dataclasses.replace(SERVING, **change))


def test_another_may_not_ask_for_it():
    assert refusal(username="system:node:n2") == "somebody else asks"
    assert refusal(username="jane") == "somebody else asks"
    assert refusal(of=None) == "there is no node n1"


def test_what_a_node_says_of_itself_is_not_enough():
    """A node writes its own status: an address there may be somebody else's."""
    liar = node("n1", "10.0.0.1", "10.96.0.1", "127.0.0.1", "10.0.0.2")
    taken = taken_addresses(liar, [liar, node("n2", "10.0.0.2")], ["10.96.0.1"])
    for address in ("10.96.0.1", "10.0.0.2", "127.0.0.1"):
        asked = dataclasses.replace(SERVING, addresses=(address,))
        assert "not the node's alone" in refusal(asked, of=liar, taken=taken)
    assert refusal(of=liar, taken=taken) == ""


@pytest.mark.parametrize("name", ["localhost", "kubernetes", "kubernetes.default.svc"])
def test_a_node_with_a_servers_name_gets_nothing(name):
    asked = Request(f"system:node:{name}", ("system:nodes",), (name,))
    assert "something else" in refusal(asked, f"system:node:{name}", node(name))
