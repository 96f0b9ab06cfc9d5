"""Metrics as a page of text, for every daemon the same: upstream's have no `_created` series, so nor do ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

disable_created_metrics()  # type: ignore[no-untyped-call]


def metrics_page(registry: CollectorRegistry) -> bytes:
    """What `registry` holds, as Prometheus reads it."""
    return generate_latest(registry)
