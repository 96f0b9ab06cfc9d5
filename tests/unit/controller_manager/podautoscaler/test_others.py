"""Metrics of the kinds Pods, Object and External, from APIs of others."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
import pytest

from controller_manager.podautoscaler import words
from controller_manager.podautoscaler.others import propose
from controller_manager.podautoscaler.usage import NoMetrics, Rules, Target
from wherry.api.autoscaling_v2 import MetricSpec
from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError
from wherry.client.transport import Response

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CUSTOM, EXTERNAL = "/apis/custom.metrics.k8s.io", "/apis/external.metrics.k8s.io/v1beta1"
NO_CUSTOM = (
    "unable to fetch metrics from custom metrics API: "
    "no custom metrics API (custom.metrics.k8s.io) registered"
)
SELECTOR = "&LabelSelector{MatchLabels:map[string]string{q: a,},MatchExpressions:[]LabelSelectorRequirement{},}"


@dataclass
class Server:
    """Answers of metric APIs, by path with its query."""

    answers: dict[str, dict] = field(default_factory=dict)

    def values(self, path: str, **values: str) -> None:
        self.answers[path] = {
            "items": [
                {"describedObject": {"kind": "Pod", "name": name}, "value": value}
                for name, value in values.items()
            ]
        }

    async def request(self, method, path, *, params=None):
        assert method == "GET"
        query = "&".join(f"{key}={value}" for key, value in (params or {}).items())
        answer = self.answers.get(f"{path}?{query}" if query else path)
        if answer is None:
            raise ApiError({"code": 404, "message": "404 page not found"})
        return Response(200, {}, orjson.dumps(answer))


def server(*versions: str) -> Server:
    names = [{"groupVersion": f"custom.metrics.k8s.io/{v}", "version": v} for v in versions]
    return Server({CUSTOM: {"preferredVersion": names[0], "versions": names}} if names else {})


def metric(type_, **source):
    return MetricSpec.from_wire({"type": type_, type_[0].lower() + type_[1:]: source})


def value(amount):
    return {"type": "Value", "value": amount}


def each(amount):
    return {"type": "AverageValue", "averageValue": amount}


def pods(amount="10", **identity):
    return metric("Pods", metric={"name": "rps", **identity}, target=each(amount))


def about(kind, name, target, api_version="v1"):
    described = {"apiVersion": api_version, "kind": kind, "name": name}
    return metric("Object", describedObject=described, metric={"name": "hits"}, target=target)


def external(target):
    depth = {"name": "depth", "selector": {"matchLabels": {"q": "a"}}}
    return metric("External", metric=depth, target=target)


def web(number: int, *, ready: bool = True) -> Pod:
    return Pod.from_wire(
        {
            "metadata": {"name": f"p{number}", "namespace": "ns"},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": str(ready)}],
            },
        }
    )


async def ask(api, one, replicas=2, running=2, ready=None):
    selected = [web(n, ready=ready is None or n < ready) for n in range(running)]
    target = Target("ns", "app=web", replicas, running)
    return await propose(api, one, target, selected, Rules(), NOW)


@pytest.mark.parametrize(
    ("versions", "used"),
    [(("v1beta2", "v1beta1"), "v1beta2"), (("v1beta1",), "v1beta1"), (("v9", "v1beta1"), "v1beta1")],
)  # fmt: skip
async def test_pods(versions, used):
    api = server(*versions)
    where = f"{CUSTOM}/{used}/namespaces/ns/pods/*/rps"
    api.values(f"{where}?labelSelector=app=web&metricLabelSelector=verb=GET", p0="15", p1="25")
    replicas, name, status = await ask(api, pods(selector={"matchLabels": {"verb": "GET"}}))
    assert (replicas, name) == (4, "pods metric rps")
    assert status.to_wire() == {
        "type": "Pods",
        "pods": {
            "metric": {"name": "rps", "selector": {"matchLabels": {"verb": "GET"}}},
            "current": {"averageValue": "20"},
        },
    }


async def test_a_pod_that_is_not_measured_dampens():
    api = server("v1beta2")
    api.values(f"{CUSTOM}/v1beta2/namespaces/ns/pods/*/rps?labelSelector=app=web", p0="16")
    assert (await ask(api, pods()))[0] == 2, "counted as 0: 16 for two"


@pytest.mark.parametrize(
    ("one", "path", "replicas", "name", "current"),
    [
        pytest.param(
            about("Service", "web", value("100")), "namespaces/ns/services/web/hits",
            6, "Service metric hits", {"value": "300"}, id="value",
        ),
        pytest.param(
            about("Service", "web", each("100")), "namespaces/ns/services/web/hits",
            3, "external metric hits(nil)", {"averageValue": "150"}, id="each",
        ),
        pytest.param(
            about("Ingress", "web", value("290"), "networking.k8s.io/v1"),
            "namespaces/ns/ingresses.networking.k8s.io/web/hits",
            2, "Ingress metric hits", {"value": "300"}, id="near enough",
        ),
        pytest.param(
            about("Namespace", "other", value("100")), "namespaces/ns/metrics/hits",
            6, "Namespace metric hits", {"value": "300"}, id="its own namespace only",
        ),
    ],
)  # fmt: skip
async def test_object(one, path, replicas, name, current):
    api = server("v1beta2")
    api.values(f"{CUSTOM}/v1beta2/{path}", web="300")
    found = await ask(api, one)
    assert found[:2] == (replicas, name)
    assert found[2].to_wire()["object"]["current"] == current


@pytest.mark.parametrize(
    ("target", "replicas", "current"),
    [(value("10"), 6, {"value": "30"}), (each("10"), 3, {"averageValue": "15"})],
)
async def test_external_values_are_added(target, replicas, current):
    api = Server()
    api.values(f"{EXTERNAL}/namespaces/ns/depth?labelSelector=q=a", one="10", two="20")
    found = await ask(api, external(target))
    assert found[:2] == (replicas, f"external metric depth({SELECTOR})")
    assert found[2].to_wire()["external"]["current"] == current


async def test_only_ready_pods_work_on_a_whole_value():
    api = Server()
    api.values(f"{EXTERNAL}/namespaces/ns/depth?labelSelector=q=a", one="30")
    assert (await ask(api, external(value("10")), ready=1))[0] == 3
    assert (await ask(api, external(value("10")), replicas=0, running=0))[0] == 3, "from nothing"
    assert (await ask(api, external(each("10")), replicas=0, running=0))[0] == 3


@pytest.mark.parametrize(
    ("one", "reason", "text"),
    [
        pytest.param(
            pods(), "FailedGetPodsMetric", f"unable to get metric rps: {NO_CUSTOM}", id="pods"
        ),
        pytest.param(
            about("Service", "web", value("1")), "FailedGetObjectMetric",
            f"unable to get metric hits: Service on ns web/{NO_CUSTOM}", id="object",
        ),
        pytest.param(
            external(each("1")), "FailedGetExternalMetric",
            f"unable to get external metric ns/depth/{SELECTOR}: unable to fetch metrics from external "
            "metrics API: the server could not find the requested resource (get depth.external.metrics.k8s.io)",
            id="external",
        ),
        pytest.param(
            external({"type": "Value"}), "FailedGetExternalMetric",
            "invalid external metric source: "
            "neither a value target nor an average value target was set",
            id="no target",
        ),
    ],
)  # fmt: skip
async def test_nobody_serves_them(one, reason, text):
    with pytest.raises(NoMetrics) as told:
        await ask(Server(), one)
    assert words.reason(one) == reason
    assert str(told.value) == text


async def test_other_answers_that_do_not_help():
    api = server("v9")
    with pytest.raises(NoMetrics, match="no known available metric versions found"):
        await ask(api, pods())
    api = server("v1beta2")
    with pytest.raises(NoMetrics, match="could not find the requested resource"):
        await ask(api, pods())
    path = f"{CUSTOM}/v1beta2/namespaces/ns/services/web/hits"
    api.values(path)
    with pytest.raises(NoMetrics, match="returned 0 results when we asked for exactly one"):
        await ask(api, about("Service", "web", value("1")))
    api.answers[path] = {"kind": "Pod"}
    with pytest.raises(NoMetrics, match="no list of metrics"):
        await ask(api, about("Service", "web", value("1")))
    with pytest.raises(NoMetrics, match=r"unable to map kind Queue\.acme\.io to resource"):
        await ask(api, about("Queue", "web", value("1"), "acme.io/v1"))
