"""What the kubelet's server says of use: /stats/summary, /metrics/resource and /metrics/cadvisor."""

from __future__ import annotations

import json
import logging

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kubelet.stats import cadvisor_metrics
from kubelet.stats.cadvisor import Cadvisor
from kubelet.stats.collector import StatsCollector
from kubelet.stats.resource_metrics import resource_metrics
from kubelet.stats.summary import summary

log = logging.getLogger(__name__)


def stats_routes(stats: StatsCollector, cadvisor: Cadvisor, node_name: str) -> list[BaseRoute]:
    async def show_summary(request: Request) -> Response:
        brief = request.query_params.get("only_cpu_and_memory") == "true"
        try:
            found = await stats.collect()
        except OSError as error:
            return PlainTextResponse(f"failed to get stats: {error}", 500)
        tree = summary(found, node_name, only_cpu_and_memory=brief)
        return Response(json.dumps(tree, indent=1), media_type="application/json")

    async def show_metrics(request: Request) -> Response:
        try:
            found = await stats.collect(rates=False)
        except OSError as error:
            log.warning("resource metrics: %s", error)
            found = None
        body = resource_metrics(found)
        return Response(body, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    async def show_cadvisor(request: Request) -> Response:
        try:
            body = await cadvisor.page()
        except OSError as error:
            log.warning("cadvisor's metrics: %s", error)
            body = cadvisor_metrics.failed()
        return Response(body, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    return [
        Route("/stats/summary", show_summary),
        Route("/metrics/resource", show_metrics),
        Route("/metrics/cadvisor", show_cadvisor),
    ]
