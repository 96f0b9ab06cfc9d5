"""Asks the APIs of others, custom.metrics.k8s.io and external.metrics.k8s.io, for metrics.

All values are milli-units. NoMetrics says why there is none, in upstream's words.

Source: k8s.io/metrics/pkg/client and upstream's pkg/controller/podautoscaler/metrics/client.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from controller_manager.podautoscaler.usage import NoMetrics, PodMetric
from wherry.api import quantity
from wherry.api.autoscaling_v2 import CrossVersionObjectReference, MetricIdentifier
from wherry.api.errors import ApiError
from wherry.api.scheme import RESOURCES
from wherry.api.selectors import label_selector
from wherry.client.rest import ApiUnavailable
from wherry.client.transport import Response

Tree = Mapping[str, Any]

CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"
_VERSIONS = ("v1beta2", "v1beta1")  # of custom metrics, that are understood here
_EXTERNAL_VERSION = "v1beta1"
NEVER = datetime.min.replace(tzinfo=UTC)  # when a value was measured matters for cpu only


class Asked(Protocol):
    """What is needed of a client."""

    async def request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None
    ) -> Response: ...


async def of_pods(
    client: Asked, namespace: str, selector: str, metric: MetricIdentifier
) -> dict[str, PodMetric]:
    """By pod name."""
    params = {"labelSelector": selector, "metricLabelSelector": _selector(metric)}
    items = await _custom(client, f"namespaces/{namespace}/pods/*/{quote(metric.name)}", params)
    if not items:
        raise NoMetrics("no metrics returned from custom metrics API")
    return {
        item["describedObject"]["name"]: PodMetric(
            quantity.milli(item["value"]), NEVER, timedelta()
        )
        for item in items
    }


async def of_object(
    client: Asked, namespace: str, about: CrossVersionObjectReference, metric: MetricIdentifier
) -> int:
    """The value of one object in the namespace, or of the namespace itself."""
    if (about.kind, about.api_version) == ("Namespace", "v1"):
        where = f"namespaces/{namespace}/metrics"
    else:
        where = f"namespaces/{namespace}/{_resource(about)}/{quote(about.name)}"
    params = {"metricLabelSelector": _selector(metric)}
    items = await _custom(client, f"{where}/{quote(metric.name)}", params)
    if len(items) != 1:
        why = f"the custom metrics API server returned {len(items)} results when we asked for exactly one"
        raise NoMetrics(f"unable to fetch metrics from custom metrics API: {why}")
    return quantity.milli(items[0]["value"])


async def of_external(client: Asked, namespace: str, metric: MetricIdentifier) -> int:
    """The sum of what matches."""
    path = f"/apis/{EXTERNAL}/{_EXTERNAL_VERSION}/namespaces/{namespace}/{quote(metric.name)}"
    try:
        items = await _items(client, path, {"labelSelector": _selector(metric)})
    except _Refused as error:
        raise NoMetrics(f"unable to fetch metrics from external metrics API: {error}") from error
    if not items:
        raise NoMetrics("no metrics returned from external metrics API")
    return sum(quantity.milli(item["value"]) for item in items)


class _Refused(Exception):
    """The text says what the API answered."""


async def _custom(client: Asked, path: str, params: Mapping[str, str]) -> list[Tree]:
    try:
        version = await _version(client)
        return await _items(client, f"/apis/{CUSTOM}/{version}/{path}", params)
    except _Refused as error:
        raise NoMetrics(f"unable to fetch metrics from custom metrics API: {error}") from error


async def _version(client: Asked) -> str:
    """The version of custom metrics to use: what its server prefers, if that is understood."""
    try:
        group = orjson.loads((await client.request("GET", f"/apis/{CUSTOM}")).body)
    except ApiError as error:
        if error.code == 404:
            raise _Refused(f"no custom metrics API ({CUSTOM}) registered") from error
        raise _Refused(str(error)) from error
    except ApiUnavailable as error:
        raise _Refused(str(error)) from error
    served: list[str] = [one["version"] for one in (group["preferredVersion"], *group["versions"])]
    known = [version for version in served if version in _VERSIONS]
    if not known:
        raise _Refused("no known available metric versions found")
    return known[0]


async def _items(client: Asked, path: str, params: Mapping[str, str]) -> list[Tree]:
    """The values in a list, which any of these APIs answers with."""
    asked = {key: value for key, value in params.items() if value}
    try:
        answer = await client.request("GET", path, params=asked or None)
        return list(orjson.loads(answer.body)["items"])
    except ApiError as error:
        if error.code == 404 and not error.status.get("details"):  # no API there at all
            name, group = path.rpartition("/")[2], path.split("/")[2]
            words = f"the server could not find the requested resource (get {name}.{group})"
            raise _Refused(words) from error
        raise _Refused(str(error)) from error
    except ApiUnavailable as error:
        raise _Refused(str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _Refused(f"the answer is no list of metrics: {error}") from error


def _selector(metric: MetricIdentifier) -> str:
    return str(label_selector(metric.selector)) if metric.selector is not None else ""


def _resource(about: CrossVersionObjectReference) -> str:
    """`deployments.apps`; custom metrics know resources without version."""
    group = about.api_version.rpartition("/")[0]
    for resource in RESOURCES:
        if (resource.group, resource.kind) == (group, about.kind):
            return resource.qualified_name
    qualified = f"{about.kind}.{group}" if group else about.kind
    why = f'no matches for kind "{about.kind}" in group "{group}"'
    raise NoMetrics(
        "unable to fetch metrics from custom metrics API: "
        f"unable to map kind {qualified} to resource: {why}"
    )
