"""Paths and methods to RequestInfo, and what is refused."""

from __future__ import annotations

import pytest

from apiserver.http.request_info import parse_query, parse_resource, proxied, split_path
from wherry.api.errors import ApiError


def asked(method: str, path: str, query: bytes = b"") -> tuple[str, str, str, str, str]:
    info = parse_resource(method, path, split_path(path.encode()), parse_query(query))
    assert info.resource is not None
    return info.verb, info.resource.plural, info.namespace, info.name, info.subresource


@pytest.mark.parametrize(
    ("method", "path", "query", "want"),
    [
        ("GET", "/api/v1/pods", b"", ("list", "pods", "", "", "")),
        ("GET", "/api/v1/pods/", b"", ("list", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch=true", ("watch", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch=1", ("watch", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch=false", ("list", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch=0", ("list", "pods", "", "", "")),
        ("GET", "/api/v1/watch/pods", b"", ("watch", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/a/pods", b"", ("list", "pods", "a", "", "")),
        ("POST", "/api/v1/namespaces/a/pods", b"", ("create", "pods", "a", "", "")),
        ("DELETE", "/api/v1/namespaces/a/pods", b"", ("deletecollection", "pods", "a", "", "")),
        ("GET", "/api/v1/namespaces/a/pods/b", b"", ("get", "pods", "a", "b", "")),
        ("GET", "/api/v1/namespaces/a/pods/b", b"watch=1", ("get", "pods", "a", "b", "")),
        ("GET", "/api/v1/watch/namespaces/a/pods/b", b"", ("watch", "pods", "a", "b", "")),
        ("PUT", "/api/v1/namespaces/a/pods/b/status", b"", ("update", "pods", "a", "b", "status")),
        ("POST", "/api/v1/namespaces/a/pods/b/exec", b"", ("create", "pods", "a", "b", "exec")),
        ("GET", "/api/v1/namespaces/a", b"", ("get", "namespaces", "", "a", "")),
        ("PUT", "/api/v1/namespaces/a/finalize", b"", ("update", "namespaces", "", "a", "finalize")),
        ("GET", "/api/v1/namespaces/pods", b"", ("get", "namespaces", "", "pods", "")),
        ("PATCH", "/api/v1/nodes/n/status", b"", ("patch", "nodes", "", "n", "status")),
        ("GET", "/apis/apps/v1/deployments", b"", ("list", "deployments", "", "", "")),
        (
            "PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", b"",
            ("patch", "deployments", "a", "b", "scale"),
        ),
        ("GET", "/api/v1/namespaces/a/pods/b%2Ec", b"", ("get", "pods", "a", "b.c", "")),
        ("GET", "/api/v1/namespaces/a/pods/b%00", b"", ("get", "pods", "a", "b\0", "")),
        ("POST", "/api/v1/namespaces/a/bindings", b"", ("create", "bindings", "a", "", "")),
    ],
)  # fmt: skip
def test_understood(method: str, path: str, query: bytes, want: tuple[str, ...]) -> None:
    assert asked(method, path, query) == want


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/nopes", 404),
        ("GET", "/api/v2/pods", 404),
        ("GET", "/apis/apps/v1/pods", 404),
        ("GET", "/api/v1/pods/b", 404),  # a namespaced object needs its namespace
        ("GET", "/api/v1/namespaces/a/nodes", 404),
        ("GET", "/api/v1/namespaces/a/pods/b/nope", 404),
        ("GET", "/api/v1/namespaces/a/pods/b/status/more", 404),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x", 404),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
        ("POST", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("POST", "/api/v1/namespaces/a/pods/b", 405),
        ("PUT", "/api/v1/namespaces/a/pods", 405),
        ("GET", "/api/v1/namespaces/a/pods/b/binding", 405),
        ("HEAD", "/api/v1/pods", 405),
        ("OPTIONS", "/api/v1/pods", 405),
        ("GET", "/api/v1/namespaces//pods", 404),
        ("GET", "//api/v1/pods", 404),
        ("GET", "/api/v1/pods//", 404),
        ("GET", "/api/v1/namespaces/../pods", 404),
        ("GET", "/api/v1/namespaces/%2e%2e/pods", 404),
        ("GET", "/api/v1/namespaces/a/pods/b%2Fc", 404),
    ],
)
def test_refused(method: str, path: str, code: int) -> None:
    with pytest.raises(ApiError) as refusal:
        asked(method, path)
    assert refusal.value.code == code
    assert refusal.value.status["details"] == {}


def test_query_takes_the_last_value_and_unquotes() -> None:
    assert parse_query(b"a=1&a=2&b=x%3Dy&c") == {"a": "2", "b": "x=y", "c": ""}


def test_query_with_too_many_parameters() -> None:
    with pytest.raises(ApiError) as refusal:
        parse_query(b"&".join(b"a=1" for _ in range(2000)))
    assert refusal.value.code == 400


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (b"/api/v1/namespaces/n/pods/p/proxy", (b"/api/v1/namespaces/n/pods/p/proxy", b"")),
        (b"/api/v1/nodes/n:10250/proxy/a//b/..", (b"/api/v1/nodes/n:10250/proxy", b"/a//b/..")),
        (b"/api/v1/namespaces/n/services/https:s:x/proxy/%2F/",
         (b"/api/v1/namespaces/n/services/https:s:x/proxy", b"/%2F/")),
        (b"/api/v1/namespaces/n/pods/p/proxyx", None),
        (b"/api/v1/namespaces/n/pods/proxy", None),
        (b"/api/v1/namespaces/n/configmaps/c/proxy/x", None),
        (b"/api/v1/pods", None),
    ],
)  # fmt: skip
def test_what_follows_proxy_is_not_ours(path: bytes, want: tuple[bytes, bytes] | None) -> None:
    assert proxied(path) == want


@pytest.mark.parametrize(
    ("method", "verb"), [("GET", "get"), ("HEAD", "get"), ("POST", "create"), ("OPTIONS", "")]
)
def test_proxy_takes_every_method(method: str, verb: str) -> None:
    path = "/api/v1/namespaces/n/pods/p:80/proxy"
    found = parse_resource(method, path, split_path(path.encode()), {})
    assert (found.verb, found.name, found.subresource) == (verb, "p:80", "proxy")
