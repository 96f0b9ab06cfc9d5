"""Failures of metrics in upstream's words, and pods that two autoscalers would decide about."""

import pytest

from controller_manager.podautoscaler import words
from controller_manager.podautoscaler.selectors import Selectors
from wherry.api.autoscaling_v2 import MetricSpec
from wherry.api.core_v1 import Pod


def metric(type_, **source):
    return MetricSpec.from_wire({"type": type_, type_[0].lower() + type_[1:]: source})


EXTERNAL = metric(
    "External",
    metric={"name": "depth", "selector": {"matchLabels": {"q": "a"}}},
    target={"type": "AverageValue", "averageValue": "30"},
)


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
