"""Who may lead: the decision over a Lease, pure, with time passed in.

Trusts no remote clock: a lease counts as expired when *we* have seen it unchanged for its duration.
Does not fence: a leader that is stopped for long and comes back may act for a moment beside the
next one, until its own renewal fails; controllers must be (and are) safe against that.

Source: k8s.io/client-go/tools/leaderelection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from wherry.api.coordination_v1.lease import Lease, LeaseSpec
from wherry.api.meta_v1.meta import ObjectMeta


@dataclass(frozen=True)
class Durations:
    """Seconds; upstream's defaults. `lease` > `renew_deadline` > `retry` × 1.2."""

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease > self.renew_deadline > self.retry * JITTER_FACTOR > 0:
            raise ValueError(
                "leader election wants lease duration > renew deadline > retry period x 1.2"
            )


JITTER_FACTOR = 1.2


class Election:
    """What one candidate knows of the lease."""

    def __init__(self, namespace: str, name: str, identity: str, durations: Durations) -> None:
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self.durations = durations
        self._seen: Lease | None = None
        self._seen_at = 0.0  # our monotonic time when the record last changed

    @property
    def lease_key(self) -> tuple[str, str]:
        """(name, namespace) of the lease."""
        return self._name, self._namespace

    @property
    def leading(self) -> bool:
        """Whether the lease, as last seen, is ours."""
        return self.holder == self.identity

    @property
    def holder(self) -> str:
        return (self._seen.spec.holder_identity or "") if self._seen is not None else ""

    def observe(self, lease: Lease | None, now: float) -> None:
        """Take in what the server holds (None: there is no lease)."""
        if self._seen is None or lease is None or lease.spec != self._seen.spec:
            self._seen_at = now
        self._seen = lease

    def expires_in(self, now: float) -> float:
        """Seconds after which the lease may be taken, as far as we have seen; 0 when it may be now."""
        if self._seen is None or not self.holder:
            return 0.0
        lasts = float(self._seen.spec.lease_duration_seconds or 0)
        return max(0.0, self._seen_at + lasts - now)

    def wish(self, now: float, wall: datetime) -> Lease | None:
        """The lease to write to become or stay leader; None = another one leads."""
        seconds = max(1, int(self.durations.lease))
        fresh = LeaseSpec(
            holder_identity=self.identity,
            lease_duration_seconds=seconds,
            acquire_time=wall,
            renew_time=wall,
            lease_transitions=0,
        )
        if self._seen is None:
            meta = ObjectMeta(namespace=self._namespace, name=self._name)
            return Lease(metadata=meta, spec=fresh)
        spec = self._seen.spec
        transitions = spec.lease_transitions or 0
        if self.leading:
            fresh = fresh.with_(acquire_time=spec.acquire_time, lease_transitions=transitions)
        elif self.expires_in(now) > 0:
            return None
        else:
            fresh = fresh.with_(lease_transitions=transitions + 1)
        return self._seen.with_(spec=fresh)

    def release(self, wall: datetime) -> Lease | None:
        """The lease to write when stepping down, so that the next one need not wait."""
        if self._seen is None or not self.leading:
            return None
        spec = LeaseSpec(
            holder_identity="",
            lease_duration_seconds=1,
            acquire_time=wall,
            renew_time=wall,
            lease_transitions=self._seen.spec.lease_transitions,
        )
        return self._seen.with_(spec=spec)
