"""When authorities and certificates are made anew: pure, from what is held and the time.

A certificate is renewed when a quarter of its life is left, when its authority has changed, when it
does not say what it should, or when asked. An authority is replaced with an overlap, so that at no
moment anybody meets a certificate that he does not trust:

    steady ──due or asked──► announced ──settled──► signing ──settled──► steady
             the new one is trusted      it signs; all certificates      the old one is
             beside the old one          are made anew                   trusted no longer

The shell (`keeper.py`) carries the steps out; the phase and its time are kept on disk, so that a
rotation goes on where it was after anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from deploy.inventory import Inventory, life_of

RENEW_SHARE = 0.25  # of a life is left when it is renewed


class Phase(StrEnum):
    STEADY = "steady"
    ANNOUNCED = "announced"
    SIGNING = "signing"


@dataclass(frozen=True)
class HeldAuthority:
    """An authority as it is on disk. `since`: when its phase began."""

    not_after: datetime
    phase: Phase = Phase.STEADY
    since: datetime | None = None


@dataclass(frozen=True)
class HeldCertificate:
    """A certificate as it is on disk.

    fits:    user, groups, names, usage and key are as they should be
    current: the authority's present signer issued it
    """

    not_after: datetime
    fits: bool = True
    current: bool = True


@dataclass(frozen=True)
class MakeAuthority:
    name: str


@dataclass(frozen=True)
class Announce:
    """Make a successor and trust both."""

    name: str


@dataclass(frozen=True)
class Promote:
    """Let the successor sign."""

    name: str


@dataclass(frozen=True)
class Retire:
    """Trust the old one no longer."""

    name: str


@dataclass(frozen=True)
class Issue:
    """Make a certificate and its key anew."""

    name: str


Step = MakeAuthority | Announce | Promote | Retire | Issue


def plan(
    inventory: Inventory,
    authorities: Mapping[str, HeldAuthority],
    certificates: Mapping[str, HeldCertificate],
    now: datetime,
    asked: Collection[str] = (),
) -> list[Step]:
    """The steps that are due now, in order. Missing entries are what is missing on disk.

    After they are carried out there may be more: certificates of an authority that was promoted.
    """
    steps: list[Step] = []
    for spec in inventory.authorities:
        held = authorities.get(spec.name)
        if held is None:
            steps.append(MakeAuthority(spec.name))
            continue
        issued = [
            certificates.get(one.name)
            for one in inventory.certificates
            if one.authority == spec.name
        ]
        all_current = all(one is not None and one.current for one in issued)
        step = _authority_step(inventory, spec.name, held, all_current, now, spec.name in asked)
        if step is not None:
            steps.append(step)
    if any(isinstance(step, MakeAuthority | Promote) for step in steps):
        return steps  # which certificates are due then is seen afterwards
    life = inventory.lifetimes.certificate
    for one in inventory.certificates:
        certificate = certificates.get(one.name)
        if certificate is None or one.name in asked or _is_due(certificate, now, life):
            steps.append(Issue(one.name))
    return steps


def _authority_step(
    inventory: Inventory,
    name: str,
    held: HeldAuthority,
    all_current: bool,
    now: datetime,
    asked: bool,
) -> Step | None:
    lifetimes = inventory.lifetimes
    settled = held.since is None or now - held.since >= life_of(lifetimes.settle)
    if held.phase is Phase.ANNOUNCED:
        return Promote(name) if settled else None
    if held.phase is Phase.SIGNING:
        return Retire(name) if settled and all_current else None
    left = held.not_after - now
    return Announce(name) if asked or left < life_of(lifetimes.authority * RENEW_SHARE) else None


def _is_due(held: HeldCertificate, now: datetime, life: float) -> bool:
    return not held.fits or not held.current or held.not_after - now < life_of(life * RENEW_SHARE)
