"""Request metrics as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from apiserver.http.metrics import RequestMetrics, key_of
from apiserver.request import RequestInfo
from wherry.api.scheme import BY_PLURAL

PODS = BY_PLURAL["", "v1", "pods"]


def test_requests_are_counted_by_code_and_time() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    key = key_of(RequestInfo("get", "/x", PODS, "a", "b"))
    metrics.count(key, 200, False, 0.003)
    metrics.count(key, 200, False, 0.03)
    metrics.count(key, 404, False, 99.0)
    labels = {
        "verb": "GET", "group": "", "version": "v1", "resource": "pods", "subresource": "",
        "scope": "resource", "component": "apiserver",
    }  # fmt: skip
    total = {**labels, "dry_run": "", "code": "200"}
    assert registry.get_sample_value("apiserver_request_total", total) == 2
    name = "apiserver_request_duration_seconds"
    assert registry.get_sample_value(f"{name}_bucket", {**labels, "le": "0.005"}) == 1
    assert registry.get_sample_value(f"{name}_bucket", {**labels, "le": "0.05"}) == 2
    assert registry.get_sample_value(f"{name}_bucket", {**labels, "le": "60.0"}) == 2
    assert registry.get_sample_value(f"{name}_bucket", {**labels, "le": "+Inf"}) == 3
    assert registry.get_sample_value(f"{name}_count", labels) == 3


def test_scope_and_verb_are_upstreams() -> None:
    assert key_of(RequestInfo("create", "/x", PODS, "a")).verb == "POST"
    assert key_of(RequestInfo("list", "/x", PODS)).scope == "cluster"
    assert key_of(RequestInfo("deletecollection", "/x", PODS, "a"))[0] == "DELETECOLLECTION"
    assert key_of(RequestInfo("get", "/healthz")).resource == ""
