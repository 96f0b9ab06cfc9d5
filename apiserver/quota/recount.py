"""Which quotas are to be counted anew, so that recorded usage comes true again whatever happened. Pure.

A server that dies between a charge and its object, or between a deletion and its release, leaves a
quota that looks fuller than it is; a person may write anything into a status. So each quota is counted
now and then, but only when nobody has written it for longer than a request may take: then no charge
is on its way whose object is yet to come.

Source of the period: upstream's kube-controller-manager, --resource-quota-sync-period.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from apiserver.quota.pod_resources import Amounts
from wherry.api import quantity

LOOK_SECONDS: Final = 15.0
QUIET_SECONDS: Final = 70.0  # beyond the longest request
PERIOD_SECONDS: Final = 300.0

Key = tuple[str, str]


class Seen(NamedTuple):
    """A quota's state: since when it is unchanged, when it was last counted in it."""

    version: str
    since: float
    counted: float | None = None


def due(
    quotas: Iterable[Mapping[str, Any]], seen: Mapping[Key, Seen], now: float
) -> tuple[dict[Key, Seen], list[Mapping[str, Any]]]:
    """(what to remember, quotas to count now). Bounded by the quotas there are."""
    noted: dict[Key, Seen] = {}
    ready: list[Mapping[str, Any]] = []
    for quota in quotas:
        metadata = quota["metadata"]
        key = (metadata["namespace"], metadata["name"])
        state = seen.get(key)
        if state is None or state.version != metadata["resourceVersion"]:
            state = Seen(metadata["resourceVersion"], now)
        elif now - state.since >= QUIET_SECONDS and (
            state.counted is None or now - state.counted >= PERIOD_SECONDS
        ):
            state = state._replace(counted=now)
            ready.append(quota)
        noted[key] = state
    return noted, ready


def corrected(used: Mapping[str, str], counted: Mapping[str, str]) -> Amounts | None:
    """What is to be recorded; None when it is recorded already, in whatever words."""
    if used.keys() == counted.keys() and all(
        quantity.parse(used[name]) == quantity.parse(counted[name]) for name in used
    ):
        return None
    return {name: counted[name] for name in sorted(counted)}
