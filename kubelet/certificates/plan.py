"""When the kubelet asks for a new certificate. Pure.

Source: k8s.io/client-go/util/certificate/certificate_manager.go (70 to 90 % of a life).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kubelet.certificates.child import Held, Wanted

EARLIEST_SHARE, SPREAD_SHARE = 0.7, 0.2


@dataclass(frozen=True)
class Renewal:
    """`reason` is empty when nothing is to be done before `at`."""

    reason: str = ""
    at: datetime | None = None


def plan_renewal(
    held: Held | None, wanted: Wanted, now: datetime, chance: float, *, trust_asked: bool
) -> Renewal:
    """What to do about the certificate held.

    chance:      0 to 1, drawn once per certificate: kubelets do not come all at once
    trust_asked: whether a certificate of the present authorities has been asked for already; who
                 signs may not be the first of them, then asking again and again would not help
    """
    if held is None or not held.key_fits:
        return Renewal("there is none")
    if (held.common_name, set(held.organizations)) != (
        wanted.common_name,
        set(wanted.organizations),
    ):
        return Renewal("it is somebody else's")
    if not set(wanted.names) <= set(held.names):
        return Renewal("it is for other names")
    if not held.current and not trust_asked:
        return Renewal("its authority is being replaced")
    life = held.not_after - held.not_before
    at = held.not_before + life * (EARLIEST_SHARE + SPREAD_SHARE * chance)
    return Renewal("most of its life is over") if now >= at else Renewal(at=at)
