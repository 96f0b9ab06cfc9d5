"""Failures of metrics in upstream's words, and pods that two autoscalers would decide about."""

import pytest

from controller_manager.podautoscaler import words
from controller_manager.podautoscaler.selectors import Selectors
from wherry.api.autoscaling_v2 import MetricSpec
from wherry.api.core_v1 import Pod

NO_CUSTOM = (
    "unable to fetch metrics from custom metrics API: "
    "no custom metrics API (custom.metrics.k8s.io) registered"
)


def metric(type_, **source):
    return MetricSpec.from_wire({"type": type_, type_[0].lower() + type_[1:]: source})


PODS = metric("Pods", metric={"name": "rps"}, target={"type": "AverageValue", "averageValue": "1"})
SERVICE = {"apiVersion": "v1", "kind": "Service", "name": "web"}
OBJECT = metric(
    "Object", describedObject=SERVICE, metric={"name": "hits"},
    target={"type": "Value", "value": "10"},
)  # fmt: skip
EXTERNAL = metric(
    "External",
    metric={"name": "depth", "selector": {"matchLabels": {"q": "a"}}},
    target={"type": "AverageValue", "averageValue": "30"},
)


@pytest.mark.parametrize(
    ("one", "reason", "text", "told"),
    [
        pytest.param(
            PODS, "FailedGetPodsMetric", f"unable to get metric rps: {NO_CUSTOM}",
            f"failed to get pods metric value: unable to get metric rps: {NO_CUSTOM}", id="pods",
        ),
        pytest.param(
            OBJECT, "FailedGetObjectMetric",
            f"unable to get metric hits: Service on ns web/{NO_CUSTOM}",
            f"failed to get object metric value: unable to get metric hits: Service on ns web/{NO_CUSTOM}",
            id="object",
        ),
        pytest.param(
            EXTERNAL, "FailedGetExternalMetric",
            "unable to get external metric ns/depth/&LabelSelector{MatchLabels:map[string]string{q: a,},"
            "MatchExpressions:[]LabelSelectorRequirement{},}: unable to fetch metrics from external "
            "metrics API: the server could not find the requested resource (get depth.external.metrics.k8s.io)",
            None, id="external",
        ),
    ],
)  # fmt: skip
def test_metrics_of_others(one, reason, text, told):
    assert words.reason(one) == reason
    assert words.not_served(one, "ns") == text
    if told is not None:
        assert words.of_sum(one, text) == told


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (metric("Resource", name="cpu", target={}), "failed to get cpu resource metric value: x"),
        (
            metric("ContainerResource", name="cpu", container="app", target={}),
            "failed to get app container metric value: x",
        ),
        (
            EXTERNAL,
            "failed to get depth external metric value: failed to get depth external metric: x",
        ),
    ],
)
def test_the_sum_names_the_metric(one, expected):
    assert words.of_sum(one, "x") == expected


def pod(**labels):
    return Pod.from_wire({"metadata": {"name": "p", "namespace": "ns", "labels": labels}})


def test_a_pod_of_two_autoscalers_is_nobodys():
    known = Selectors()
    known.note("ns/one", "app=web")
    assert known.ambiguity("ns/one", "app=web", [pod(app="web")]) == ""
    known.note("ns/two", "app in (web,db)")
    known.note("other/three", "app=web")
    assert known.ambiguity("ns/one", "app=web", [pod(app="db"), pod(app="web")]) == (
        "pods by selector app=web are controlled by multiple HPAs: [ns/one ns/two]"
    )
    assert known.ambiguity("ns/one", "app=web", []) == ""
    known.forget("ns/two")
    assert known.ambiguity("ns/one", "app=web", [pod(app="web")]) == ""


def test_a_selector_that_is_none_is_not_remembered():
    known = Selectors()
    known.note("ns/one", "app=web")
    with pytest.raises(ValueError, match="unable to parse requirement"):
        known.note("ns/one", "a in (")
    known.note("ns/two", "app=web")
    assert known.ambiguity("ns/two", "app=web", [pod(app="web")]) == ""
