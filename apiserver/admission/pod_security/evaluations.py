"""How often PodSecurity decided what, under upstream's names.

Source: k8s.io/pod-security-admission/metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.admission.attributes import NAMESPACES, PODS
from apiserver.admission.interface import Attributes
from apiserver.admission.pod_security.levels import Standard

# Policies of later versions than this are counted together: anybody may invent some.
MINOR_MAX: Final = 36
FUTURE: Final = "future"
ALLOW: Final = "allow"
DENY: Final = "deny"
_REQUEST: Final = ("request_operation", "resource", "subresource")


class _Request(NamedTuple):
    operation: str
    resource: str
    subresource: str


class _Evaluation(NamedTuple):
    decision: str
    standard: Standard
    mode: str
    request: _Request


class Evaluations(Collector):
    """Counts. Bounded: levels x versions x modes x subresources of pods."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._evaluations: dict[_Evaluation, int] = {}
        self._exemptions: dict[_Request, int] = {}
        if registry is not None:
            registry.register(self)

    def count(self, decision: str, standard: Standard, mode: str, attributes: Attributes) -> None:
        if (minor := standard.minor) is not None and minor > MINOR_MAX:
            standard = Standard(standard.level, FUTURE)
        at = _Evaluation(decision, standard, mode, _request(attributes))
        self._evaluations[at] = self._evaluations.get(at, 0) + 1

    def exempt(self, attributes: Attributes) -> None:
        at = _request(attributes)
        self._exemptions[at] = self._exemptions.get(at, 0) + 1

    def collect(self) -> Iterator[Metric]:
        evaluations = CounterMetricFamily(
            "pod_security_evaluations_total",
            "Policy evaluations that occurred, not counting ignored or exempt requests.",
            labels=("decision", "policy_level", "policy_version", *_REQUEST, "mode"),
        )
        for (decision, standard, mode, request), number in self._evaluations.items():
            evaluations.add_metric([decision, *standard, *request, mode], number)
        yield evaluations
        exemptions = CounterMetricFamily(
            "pod_security_exemptions_total",
            "Exempt requests, not counting ignored or out of scope requests.",
            labels=_REQUEST,
        )
        for request, number in self._exemptions.items():
            exemptions.add_metric(list(request), number)
        yield exemptions


def _request(attributes: Attributes) -> _Request:
    resource = attributes.resource
    word = "pod" if resource is PODS else "namespace" if resource is NAMESPACES else "controller"
    return _Request(attributes.operation.lower(), word, attributes.subresource)
