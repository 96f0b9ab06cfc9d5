"""A CONNECT's options as admission sees them."""

from __future__ import annotations

from apiserver.subresources.connect import (
    attach_options,
    exec_options,
    port_forward_options,
    proxy_options,
)

HEAD = {"apiVersion": "v1"}


def test_streams() -> None:
    query = [
        ("command", "ls"),
        ("command", "-l"),
        ("stdout", "1"),
        ("tty", "false"),
        ("container", "c"),
    ]
    wanted = {"kind": "PodExecOptions", **HEAD, "stdout": True, "container": "c"}
    assert exec_options(query) == {**wanted, "command": ["ls", "-l"]}
    assert attach_options(query) == {**wanted, "kind": "PodAttachOptions"}


def test_ports() -> None:
    found = port_forward_options([("ports", "80,443"), ("ports", f"x,²,{'9' * 5000}")])
    assert found == {"kind": "PodPortForwardOptions", **HEAD, "ports": [80, 443]}
    assert port_forward_options([]) == {"kind": "PodPortForwardOptions", **HEAD}


def test_paths() -> None:
    assert proxy_options("NodeProxyOptions", "/a%20b/")["path"] == "/a b/"
    assert "path" not in proxy_options("NodeProxyOptions", "")
