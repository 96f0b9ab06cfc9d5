"""The networking group: hosts, paths, peers, networks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES
from apiserver.registry.validation.addresses import address_problems, network
from wherry.api.model import TypedModel
from wherry.api.networking_v1 import (
    Ingress,
    IngressClass,
    IPAddress,
    NetworkPolicy,
    ServiceCIDR,
)
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]

BACKEND: Tree = {"service": {"name": "s", "port": {"number": 80}}}


def ingress(host: str = "a.io", **path: Any) -> Tree:
    one = {"path": "/", "pathType": "Prefix", "backend": BACKEND, **path}
    return {"spec": {"rules": [{"host": host, "http": {"paths": [one]}}]}}


def policy(**rule: Any) -> Tree:
    return {"spec": {"podSelector": {}, "ingress": [rule]}}


PATH = "spec.rules[0].http.paths[0]"
PEER = "spec.ingress[0].from[0]"


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (Ingress, ingress(), []),
        (Ingress, ingress("*.a.io"), []),
        (Ingress, ingress("10.0.0.1"), ['host: Invalid value: "10.0.0.1": must be a DNS name']),
        (Ingress, ingress("*.*.io"), ['host: Invalid value: "*.*.io": a wildcard DNS-1123']),
        (Ingress, ingress(path="x"), ['path: Invalid value: "x": must be an absolute path']),
        (Ingress, ingress(path="/a//b"), ["path: Invalid value: \"/a//b\": must not contain '//'"]),
        (Ingress, ingress(path="/a/.."), ["path: Invalid value: \"/a/..\": cannot end with '/..'"]),
        (Ingress, ingress(path="/a//b", pathType="ImplementationSpecific"), []),
        (Ingress, ingress(pathType=None), ["pathType: Required value: pathType must be specified"]),
        (
            Ingress,
            ingress(backend={"resource": {"kind": "K", "name": "n"}, **BACKEND}),
            ['backend: Invalid value: "": cannot set both resource and service backends'],
        ),
        (
            Ingress,
            ingress(backend={"service": {"name": "s", "port": {"number": 80, "name": "http"}}}),
            ['backend: Invalid value: "": cannot set both port name & port number'],
        ),
        (
            Ingress,
            {"spec": {"defaultBackend": BACKEND, "tls": [{"hosts": ["_"], "secretName": "_"}]}},
            ["spec.tls[0].hosts[0]: Invalid value", "spec.tls[0].secretName: Invalid value"],
        ),
        (
            Ingress,
            {
                **{"metadata": {"annotations": {"kubernetes.io/ingress.class": "a"}}},
                "spec": {"defaultBackend": BACKEND, "ingressClassName": "b"},
            },
            ['annotations.kubernetes.io/ingress.class: Invalid value: "a": must match'],
        ),
        (IngressClass, {"spec": {"controller": "a.io/b"}}, []),
        (
            IngressClass,
            {"spec": {"controller": "a.io/b c"}},
            ['Invalid value: "b c": Invalid path'],
        ),
        (
            IngressClass,
            {"spec": {"controller": "a.io/b", "parameters": {"kind": "K", "name": "n"}}},
            [],
        ),
        (
            IngressClass,
            {
                "spec": {
                    "controller": "a.io/b",
                    "parameters": {"kind": "K", "name": "n", "scope": "Namespace"},
                }
            },
            ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
        ),
        (NetworkPolicy, policy(ports=[{"port": 1, "endPort": 2}, {"port": "http"}]), []),
        (
            NetworkPolicy,
            policy(ports=[{"port": 3, "endPort": 2, "protocol": "ICMP"}]),
            [
                'protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
                "endPort: Invalid value: 2: must be greater than or equal to `port`",
            ],
        ),
        (
            NetworkPolicy,
            policy(**{"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}),
            [f"{PEER}: Forbidden: may not specify both ipBlock and another peer"],
        ),
        (
            NetworkPolicy,
            policy(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}),
            [f'{PEER}.ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset'],
        ),
        (ServiceCIDR, {"spec": {"cidrs": ["10.0.0.0/8", "fd00::/64"]}}, []),
        (
            ServiceCIDR,
            {"spec": {"cidrs": ["10.0.0.0/8", "11.0.0.0/8"]}},
            ['spec.cidrs: Invalid value: ["10.0.0.0/8","11.0.0.0/8"]: may specify no more than'],
        ),
        (ServiceCIDR, {"spec": {"cidrs": ["a", "b", "c"]}}, ["may only hold up to 2 values"]),
        (IPAddress, {"spec": {"parentRef": {"resource": "services", "name": "s"}}}, []),
        (IPAddress, {"spec": {}}, ["spec.parentRef: Required value"]),
        (IPAddress, {"spec": {"parentRef": {"resource": "r"}}}, ["parentRef.name: Required value"]),
    ],
)
def test_refusals(said: Say, model: type[TypedModel], body: Tree, words: list[str]) -> None:
    found = said(model, body)
    assert len(found) == len(words), found
    for error, part in zip(found, words, strict=True):
        assert part in error


def test_directions_follow_the_rules(build: Any) -> None:
    tree = build(NetworkPolicy, {"spec": {"egress": [{"ports": [{"port": 1}]}]}})
    assert tree["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert tree["spec"]["egress"][0]["ports"] == [{"port": 1, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("model", "body", "change", "fields"),
    [
        (
            ServiceCIDR,
            {"spec": {"cidrs": ["10.0.0.0/8"]}},
            {"spec": {"cidrs": ["10.0.0.0/8", "fd00::/64"]}},
            [],
        ),
        (
            ServiceCIDR,
            {"spec": {"cidrs": ["10.0.0.0/8"]}},
            {"spec": {"cidrs": ["11.0.0.0/8"]}},
            ["spec.cidrs[0]"],
        ),
        (ServiceCIDR, {"spec": {"cidrs": ["10.0.0.0/8"]}}, {"spec": {}}, ["spec.cidrs"]),
        (
            IngressClass,
            {"spec": {"controller": "a.io/b"}},
            {"spec": {"controller": "a.io/c"}},
            ["spec.controller"],
        ),
        (
            IPAddress,
            {"spec": {"parentRef": {"resource": "services", "name": "s"}}},
            {"spec": {"parentRef": {"resource": "services", "name": "t"}}},
            ["spec.parentRef"],
        ),
    ],
)
def test_what_is_for_life(
    said_of_change: Say, model: type[TypedModel], body: Tree, change: Tree, fields: list[str]
) -> None:
    errors = said_of_change(model, body, lambda tree: tree.update(change))
    assert [error.partition(":")[0] for error in errors] == fields


def test_a_policy_keeps_networks_that_newer_rules_refuse(said_of_change: Say) -> None:
    body = policy(**{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]})

    def add(tree: Tree) -> None:
        tree["spec"]["ingress"].append({"from": [{"ipBlock": {"cidr": "10.0.0.2/8"}}]})

    assert said_of_change(NetworkPolicy, body, lambda tree: None) == []
    assert said_of_change(NetworkPolicy, body, add) == [
        'spec.ingress[1].from[0].ipBlock.cidr: Invalid value: "10.0.0.2/8": must not have bits set '
        "beyond the prefix length"
    ]


def test_the_load_balancer_s_addresses(said_of_change: Say) -> None:
    def report(tree: Tree) -> None:
        tree["status"]["loadBalancer"]["ingress"] = [{"ip": "x", "hostname": "10.0.0.1"}]

    errors = said_of_change(Ingress, ingress(), report, "status")
    assert [error.partition(":")[0].rpartition(".")[2] for error in errors] == ["ip", "hostname"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.0.0.1", []),
        ("fd00::1", []),
        ("010.0.0.1", ["must not have leading 0s"]),
        ("FD00::1", ['must be in canonical form ("fd00::1")']),
        ("::ffff:1.2.3.4", ["must not be an IPv4-mapped IPv6 address"]),
        ("10.0.0", ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]),
    ],
)
def test_addresses(text: str, words: list[str]) -> None:
    assert address_problems(text) == words


@pytest.mark.parametrize(
    ("text", "canonical", "part"),
    [
        ("10.0.0.0/8", True, ""),
        ("10.0.0.0/08", True, "leading 0s in IP or prefix length"),
        ("::ffff:10.0.0.0/104", True, "IPv4-mapped"),
        ("FD00::/64", False, ""),
        ("FD00::/64", True, 'canonical form ("fd00::/64")'),
        ("10.0.0.0/33", True, "valid CIDR"),
        ("10.0.0.0", True, "valid CIDR"),
    ],
)
def test_networks(text: str, canonical: bool, part: str) -> None:
    found = network(text, "f", canonical=canonical)
    assert part in found[0].message if part else not found


@pytest.mark.parametrize(
    ("model", "body", "cells"),
    [
        (
            Ingress,
            {
                "spec": {
                    "ingressClassName": "c",
                    "rules": [{"host": f"{letter}.io"} for letter in "abcd"],
                    "tls": [{}],
                }
            },
            ("x", "c", "a.io,b.io,c.io + 1 more...", "", "80, 443", "60m"),
        ),
        (
            IngressClass,
            {
                "spec": {
                    "controller": "a.io/b",
                    "parameters": {"apiGroup": "g.io", "kind": "K", "name": "n"},
                }
            },
            ("x", "a.io/b", "K.g.io/n", "60m"),
        ),
        (
            NetworkPolicy,
            {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
            ("x", "a=b", "60m"),
        ),
        (NetworkPolicy, {"spec": {"podSelector": {}}}, ("x", "<none>", "60m")),
        (ServiceCIDR, {"spec": {"cidrs": ["10.0.0.0/8"]}}, ("x", "10.0.0.0/8", "60m")),
        (
            IPAddress,
            {"spec": {"parentRef": {"resource": "services", "namespace": "n", "name": "s"}}},
            ("x", "services/n/s"),
        ),
    ],
)
def test_rows(build: Any, model: type[TypedModel], body: Tree, cells: tuple[Any, ...]) -> None:
    assert tuple(STRATEGIES[resource_of(model)].row(build(model, body), NOW)) == cells
