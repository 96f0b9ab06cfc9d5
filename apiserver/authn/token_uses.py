"""How service-account tokens are used: counted, and noted on the Secrets that hold old ones.

Tokens are looked at on the requests' way, so here they only leave a count and a name; a task writes
the day onto Secrets (`kubernetes.io/legacy-token-last-used`), once a day for each, so that people see
which ones nobody needs.

Source: kubernetes/pkg/serviceaccount/{legacy,metrics}.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from wherry.api.errors import ApiError

log = logging.getLogger(__name__)

LAST_USED = "kubernetes.io/legacy-token-last-used"
PENDING_MAX = 1024  # Secrets still to be noted; those beyond are at their next use


class Use(StrEnum):
    """What upstream counts, as its metrics are called."""

    STALE = "serviceaccount_stale_tokens"  # beyond the time it was meant for
    VALID = "serviceaccount_valid_tokens"
    LEGACY = "serviceaccount_legacy_tokens"  # without an audience
    MANUAL = "serviceaccount_legacy_manual_token_uses"
    AUTO = "serviceaccount_legacy_auto_token_uses"
    INVALID = "serviceaccount_invalid_legacy_auto_token_uses"


class TokenUses(Collector):
    """See the module."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._counts = dict.fromkeys(Use, 0)
        self._noted: dict[tuple[str, str], str] = {}
        self._pending: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue(PENDING_MAX)
        if registry is not None:
            registry.register(self)

    def count(self, use: Use) -> None:
        self._counts[use] += 1

    def held_by(self, namespace: str, secret: str, label: str, now: datetime) -> None:
        """A token was used that this Secret holds, whose label says `label`."""
        today = day(now)
        # Another server's clock may be a day ahead.
        if label in (today, day(now + timedelta(days=1))):
            return
        if self._noted.get((namespace, secret)) == today or self._pending.full():
            return
        if len(self._noted) >= PENDING_MAX:
            self._noted.clear()
        self._noted[namespace, secret] = today
        self._pending.put_nowait((namespace, secret, today))

    async def run(self, write: Callable[[str, str, str], Awaitable[None]]) -> None:
        """Have the labels written (namespace, Secret, day), for ever. What fails waits for its next use."""
        while True:
            namespace, secret, today = await self._pending.get()
            try:
                await write(namespace, secret, today)
            except ApiError as error:
                self._noted.pop((namespace, secret), None)
                log.info("noting the use of a token on Secret %s/%s: %s", namespace, secret, error)

    def collect(self) -> Iterator[Metric]:
        for use, count in self._counts.items():
            family = CounterMetricFamily(use.value, "Uses of service-account tokens of this kind.")
            family.add_metric([], count)
            yield family


def day(moment: datetime) -> str:
    """A day as the label has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
