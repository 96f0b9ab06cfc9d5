"""log and exec: what is asked of the kubelet, and what is refused before."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.http.backend import parse_head
from apiserver.subresources.kubelets import address_of
from apiserver.subresources.streams import (
    attach_query,
    chosen_container,
    exec_query,
    log_query,
    ports_query,
    upgrade_headers,
)
from wherry.api.errors import ApiError


def pod(*containers: str, init: tuple[str, ...] = ()) -> dict[str, Any]:
    spec = {"containers": [{"name": name} for name in containers]}
    if init:
        spec["initContainers"] = [{"name": name} for name in init]
    return {"metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("found", "asked", "want"),
    [
        (pod("a"), "", "a"),
        (pod("a", "b"), "b", "b"),
        (pod("a", init=("i",)), "i", "i"),
        (pod("a", init=("i",)), "", "a"),
    ],
)
def test_container(found: dict[str, Any], asked: str, want: str) -> None:
    assert chosen_container(found, asked) == want


@pytest.mark.parametrize(
    ("found", "asked", "words"),
    [
        (pod("a"), "x", "container x is not valid for pod p"),
        (
            pod("a", "b"), "",
            "a container name must be specified for pod p, choose one of: [a b]",
        ),
        (
            pod("a", "b", init=("i",)), "",
            "a container name must be specified for pod p, choose one of: [a b] "
            "or one of the init containers: [i]",
        ),
    ],
    ids=["unknown", "two", "two and init"],
)  # fmt: skip
def test_no_container(found: dict[str, Any], asked: str, words: str) -> None:
    with pytest.raises(ApiError) as refusal:
        chosen_container(found, asked)
    assert (refusal.value.code, refusal.value.message) == (400, words)


def test_log_parameters() -> None:
    query = {
        "follow": "true",
        "previous": "false",
        "tailLines": "0",
        "sinceTime": "t",
        "pretty": "1",
    }
    assert log_query(query) == [("follow", "true"), ("tailLines", "0"), ("sinceTime", "t")]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"tailLines": "x"}, 400),
        ({"tailLines": "-1"}, 422),
        ({"limitBytes": "0"}, 422),
        ({"sinceSeconds": "0"}, 422),
        ({"sinceSeconds": "1", "sinceTime": "2026-11-21T00:00:00Z"}, 422),
    ],
)
def test_bad_log_parameters(query: dict[str, str], code: int) -> None:
    with pytest.raises(ApiError) as refusal:
        log_query(query)
    assert refusal.value.code == code


def test_exec_parameters_keep_their_order() -> None:
    query = [
        ("command", "ls"),
        ("command", "-l a"),
        ("stdin", "true"),
        ("stdout", "1"),
        ("tty", "false"),
    ]
    assert exec_query(query) == [
        ("command", "ls"), ("command", "-l a"), ("input", "1"), ("output", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query", [[], [("command", "ls")], [("stdout", "true")], [("tty", "true")]]
)
def test_exec_that_asks_for_nothing(query: list[tuple[str, str]]) -> None:
    with pytest.raises(ApiError) as refusal:
        exec_query(query)
    assert refusal.value.code == 400


def test_attach_parameters() -> None:
    query = [("container", "c"), ("stdin", "true"), ("tty", "true"), ("stderr", "false")]
    assert attach_query(query) == [("input", "1"), ("tty", "1")]
    with pytest.raises(ApiError):
        attach_query([("tty", "true")])


@pytest.mark.parametrize(
    ("query", "want"),
    [
        ([("ports", "80"), ("ports", "443")], ["80", "443"]),
        ([("ports", "80,443")], ["80", "443"]),
        ([], []),
    ],
    ids=["repeated", "joined", "none"],
)
def test_ports(query: list[tuple[str, str]], want: list[str]) -> None:
    assert ports_query(query) == [("port", port) for port in want]


def test_handshakes_are_passed_on() -> None:
    headers = {
        b"upgrade": b"WebSocket", b"connection": b"Upgrade", b"sec-websocket-key": b"k",
        b"sec-websocket-version": b"13", b"sec-websocket-protocol": b"v5.channel.k8s.io",
        b"authorization": b"Bearer secret", b"sec-websocket-extensions": b"permessage-deflate",
    }  # fmt: skip
    assert upgrade_headers(headers) == {
        "upgrade": "WebSocket", "connection": "Upgrade", "sec-websocket-key": "k",
        "sec-websocket-version": "13", "sec-websocket-protocol": "v5.channel.k8s.io",
        "content-length": "0",
    }  # fmt: skip
    assert upgrade_headers({b"upgrade": b"SPDY/3.1"})["upgrade"] == "SPDY/3.1"
    with pytest.raises(ApiError):
        upgrade_headers({})


def test_kubelet_answer_head() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX:  y \r\n\r\n"
    assert parse_head(head) == (200, [("content-type", "text/plain"), ("x", "y")])
    with pytest.raises(ValueError, match="HTTP/1"):
        parse_head(b"SSH-2.0 hello\r\n\r\n")


def node(port: int = 0, **addresses: str) -> dict[str, Any]:
    status: dict[str, Any] = {
        "addresses": [{"type": kind, "address": one} for kind, one in addresses.items()]
    }
    if port:
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
    return {"status": status}


def test_kubelet_address() -> None:
    found = node(1234, Hostname="h", InternalIP="10.0.0.1")
    assert address_of(found, ("InternalIP", "Hostname")) == ("10.0.0.1", 1234)
    assert address_of(node(Hostname="h"), ("InternalIP", "Hostname")) == ("h", 10250)
    with pytest.raises(ValueError, match="no preferred addresses"):
        address_of(node(Hostname="h"), ("InternalIP",))
