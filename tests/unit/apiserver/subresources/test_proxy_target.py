"""Whom a proxy path means."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.subresources.proxy_target import (
    Wanted,
    check_address,
    pod_port,
    ready_pods,
    service_port_name,
    split_name,
)
from wherry.api.errors import ApiError


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("web", Wanted("web")),
        ("web:80", Wanted("web", port="80")),
        ("web:", Wanted("web")),
        ("https:web:", Wanted("web", "https")),
        ("http:web:http", Wanted("web", "http", "http")),
    ],
)
def test_names(text: str, want: Wanted) -> None:
    assert split_name("pod", text) == want


@pytest.mark.parametrize("text", [":80", "ftp:web:80", "a:b:c:d", ":web:80"])
def test_bad_names(text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        split_name("pod", text)
    assert refusal.value.message == f'invalid pod request "{text}"'


POD = {"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}}
BARE: dict[str, Any] = {"spec": {"containers": [{}]}}


@pytest.mark.parametrize(
    ("pod", "port", "want"),
    [(POD, "", 8080), (BARE, "", 80), (POD, "81", 81), (POD, "http", 8080)],
    ids=["declared", "none declared", "number", "name"],
)
def test_pod_ports(pod: dict[str, Any], port: str, want: int) -> None:
    assert pod_port(pod, Wanted("p", port=port)) == want


@pytest.mark.parametrize("port", ["nope", "0", "70000", "²", "9" * 5000])
def test_bad_pod_ports(port: str) -> None:
    with pytest.raises(ApiError) as refusal:
        pod_port(POD, Wanted("p", port=port))
    assert refusal.value.code == 400


def test_service_ports() -> None:
    service = {"spec": {"ports": [{"name": "http", "port": 80}, {"port": 81}]}}
    assert service_port_name(service, Wanted("s", port="80")) == "http"
    assert service_port_name(service, Wanted("s", port="81")) == ""
    assert service_port_name(service, Wanted("s", port="http")) == "http"
    assert service_port_name(service, Wanted("s")) == ""
    with pytest.raises(ApiError) as refusal:
        service_port_name(service, Wanted("s", port="82"))
    assert (refusal.value.code, refusal.value.message) == (
        503, 'no service port 82 found for service "s"',
    )  # fmt: skip


def test_ready_pods() -> None:
    def endpoint(name: str, **more: Any) -> dict[str, Any]:
        return {"targetRef": {"kind": "Pod", "name": name}, **more}

    slices = [
        {
            "metadata": {"labels": {"kubernetes.io/service-name": "s"}},
            "ports": [{"name": "http", "port": 8080}, {"name": "other", "port": 1}],
            "endpoints": [
                endpoint("a"),
                endpoint("b", conditions={"ready": True}),
                endpoint("c", conditions={"ready": False}),
                {"addresses": ["10.0.0.9"]},
            ],
        },
        {"metadata": {}, "ports": [{"name": "http", "port": 9}], "endpoints": [endpoint("d")]},
    ]
    assert list(ready_pods(slices, "s", "http")) == [("a", 8080), ("b", 8080)]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "", "x"])
def test_addresses_not_allowed(address: str) -> None:
    with pytest.raises(ApiError):
        check_address(address)
    check_address("10.1.2.3")
