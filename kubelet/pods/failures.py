"""What could not be started and when to try again. Pure: `now` is an argument.

Pulls back off as upstream's do (10 s doubling to 5 min); what waits for an object of the API is tried
often, since it costs little and a change of the object also clears it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kubelet.pods.plan import SANDBOX
from kubelet.pods.restart import CLOCK_STEP
from kubelet.pods.starter import StartError
from kubelet.pods.status import Waiting

PULL_SECONDS_FIRST, PULL_SECONDS_MAX = 10.0, 300.0
OTHER_SECONDS_FIRST, OTHER_SECONDS_MAX = 0.5, 10.0
# A failed pull is shown as such for this long, then as its back-off.
PULL_ERROR_SHOWN = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class _Failure:
    error: StartError
    at: datetime
    until: datetime
    times: int


class Failures:
    """By container name, or SANDBOX."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failure] = {}

    @property
    def not_before(self) -> dict[str, datetime]:
        return {name: failure.until for name, failure in self._failures.items()}

    def add(self, name: str, error: StartError, now: datetime) -> None:
        before = self._failures.get(name)
        times = before.times + 1 if before and before.error.reason == error.reason else 1
        first, most = (
            (PULL_SECONDS_FIRST, PULL_SECONDS_MAX)
            if error.pull
            else (OTHER_SECONDS_FIRST, OTHER_SECONDS_MAX)
        )
        delay = min(most, first * 2.0 ** min(times - 1, 10))
        self._failures[name] = _Failure(error, now, now + timedelta(seconds=delay), times)

    def settle(self, now: datetime) -> None:
        """When the clock was set back, what failed "later" is tried now, not when it catches up."""
        for name, failure in self._failures.items():
            if failure.at > now + CLOCK_STEP:
                self._failures[name] = replace(failure, at=now, until=now)

    def forget(self, name: str) -> None:
        """It worked."""
        self._failures.pop(name, None)

    def forget_configuration(self) -> None:
        """Objects changed: try at once whatever may have waited for them."""
        self._failures = {n: f for n, f in self._failures.items() if f.error.pull}

    def waiting(self, now: datetime, images: Mapping[str, str]) -> dict[str, Waiting]:
        """What the containers' statuses say; `images` gives each container's image."""
        found = {}
        for name, failure in self._failures.items():
            error = failure.error
            if name == SANDBOX or error.reason == "ContainerCreating":
                continue
            if error.reason == "ErrImagePull" and now - failure.at >= PULL_ERROR_SHOWN:
                message = f'Back-off pulling image "{images.get(name, "")}": ErrImagePull: {error.message}'
                found[name] = Waiting("ImagePullBackOff", message)
            else:
                found[name] = Waiting(error.reason, error.message)
        return found

    def message(self, names: Iterable[str]) -> str:
        """Why the first of these failed that did; empty when none did."""
        found = (self._failures[name].error.message for name in names if name in self._failures)
        return next(found, "")

    def changes_at(self, now: datetime) -> datetime | None:
        """When `waiting` will say something else by itself."""
        moments = [
            f.at + PULL_ERROR_SHOWN
            for f in self._failures.values()
            if f.error.reason == "ErrImagePull"
        ]
        return min((at for at in moments if at > now), default=None)
