"""What a port of `wherry port-forward` means."""

from __future__ import annotations

from typing import Any

import pytest

from cli.errors import CliError
from cli.forwarding import addresses
from cli.verbs.port_forward import parse_pair

POD: dict[str, Any] = {
    "metadata": {"name": "p"},
    "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
}
SERVICE: dict[str, Any] = {
    "metadata": {"name": "s"},
    "spec": {
        "ports": [
            {"name": "web", "port": 80, "targetPort": "http"},
            {"name": "same", "port": 81},
            {"name": "number", "port": 82, "targetPort": 9000},
        ]
    },
}


@pytest.mark.parametrize(
    ("text", "service", "want"),
    [
        ("80", None, (80, 80)),
        ("8000:80", None, (8000, 80)),
        (":80", None, (0, 80)),
        ("http", None, (8080, 8080)),
        (":http", None, (0, 8080)),
        ("80", SERVICE, (80, 8080)),
        ("8000:web", SERVICE, (8000, 8080)),
        ("web", SERVICE, (8080, 8080)),
        ("81", SERVICE, (81, 81)),
        (":82", SERVICE, (0, 9000)),
    ],
)
def test_pairs(text: str, service: dict[str, Any] | None, want: tuple[int, int]) -> None:
    assert parse_pair(text, POD, service) == want


@pytest.mark.parametrize(
    ("text", "service"),
    [("0", None), ("70000", None), ("x:80", None), ("none", None), ("83", SERVICE), ("x", SERVICE)],
)
def test_bad_pairs(text: str, service: dict[str, Any] | None) -> None:
    with pytest.raises(CliError):
        parse_pair(text, POD, service)


def test_localhost_is_both_of_its_addresses() -> None:
    assert addresses("localhost,10.0.0.1") == ["127.0.0.1", "::1", "10.0.0.1"]
