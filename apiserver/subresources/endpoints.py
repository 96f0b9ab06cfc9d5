"""The one table of what is answered by a function of its own instead of the resource handlers."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.http.dispatcher import Endpoint
from apiserver.resource_metrics.endpoint import MetricsEndpoints
from apiserver.subresources.components import ComponentEndpoints
from apiserver.subresources.eviction import EvictionEndpoint
from apiserver.subresources.pods import PodEndpoints
from apiserver.subresources.proxy import ProxyEndpoints
from apiserver.subresources.reviews import ReviewEndpoints
from apiserver.subresources.streams import StreamEndpoints
from apiserver.subresources.tokens import TokenEndpoints

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"
METRICS = "metrics.k8s.io"


def endpoints(
    pods: PodEndpoints,
    evictions: EvictionEndpoint,
    streams: StreamEndpoints,
    proxy: ProxyEndpoints,
    tokens: TokenEndpoints,
    reviews: ReviewEndpoints,
    components: ComponentEndpoints,
    metrics: MetricsEndpoints,
) -> Mapping[tuple[str, str, str], Endpoint]:
    """By group, plural and subresource; no subresource for kinds that are not stored."""
    return {
        ("", "bindings", ""): pods.bind,
        ("", "componentstatuses", ""): components.read,
        ("", "pods", "binding"): pods.bind,
        ("", "pods", "eviction"): evictions.evict,
        ("", "pods", "log"): streams.log,
        ("", "pods", "exec"): streams.execute,
        ("", "pods", "attach"): streams.attach,
        ("", "pods", "portforward"): streams.port_forward,
        ("", "nodes", "proxy"): proxy.node,
        ("", "pods", "proxy"): proxy.pod,
        ("", "services", "proxy"): proxy.service,
        ("", "serviceaccounts", "token"): tokens.request,
        (METRICS, "nodes", ""): metrics.nodes,
        (METRICS, "pods", ""): metrics.pods,
        (AUTHENTICATION, "tokenreviews", ""): tokens.review,
        (AUTHENTICATION, "selfsubjectreviews", ""): reviews.who_am_i,
        (AUTHORIZATION, "subjectaccessreviews", ""): reviews.subject,
        (AUTHORIZATION, "localsubjectaccessreviews", ""): reviews.local_subject,
        (AUTHORIZATION, "selfsubjectaccessreviews", ""): reviews.self_subject,
        (AUTHORIZATION, "selfsubjectrulesreviews", ""): reviews.self_rules,
    }
