"""When authorities and certificates are made anew: pure, from what is held and the time.

A certificate is renewed when a quarter of its life is left, when its authority has changed, when it
does not say what it should, or when asked. An authority is replaced with an overlap, so that at no
moment anybody meets a certificate that he does not trust:

    steady ──due or asked──► announced ──settled──► signing ──settled──► steady
             the new one is trusted      it signs; all certificates      the old one is
             beside the old one          are made anew                   trusted no longer

A key of tokens goes the same way, but only when asked, as it has no end; the old one is believed
until the longest life of a token is over, or until somebody asks for its end (`ended`).

The shell (`keeper.py`) carries the steps out; the phase and its time are kept on disk, so that a
rotation goes on where it was after anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from deploy.inventory import AuthoritySpec, Inventory, KeySpec, life_of

RENEW_SHARE = 0.25  # of a life is left when it is renewed


class Phase(StrEnum):
    STEADY = "steady"
    ANNOUNCED = "announced"
    SIGNING = "signing"


@dataclass(frozen=True)
class HeldSigner:
    """An authority or a key of tokens as it is on disk.

    not_after: None for a key, which has no end
    since:     when its phase began
    """

    not_after: datetime | None
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
class Make:
    """Make an authority or a key of tokens that is missing."""

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


Step = Make | Announce | Promote | Retire | Issue


def plan(
    inventory: Inventory,
    signers: Mapping[str, HeldSigner],
    certificates: Mapping[str, HeldCertificate],
    now: datetime,
    asked: Collection[str] = (),
    ended: Collection[str] = (),
) -> list[Step]:
    """The steps that are due now, in order. Missing entries are what is missing on disk.

    After they are carried out there may be more: certificates of an authority that was promoted.

    signers: authorities and keys of tokens
    asked:   what is to be made anew
    ended:   of which signers the old one is to be trusted no longer, settled or not
    """
    steps: list[Step] = []
    for spec in inventory.signers:
        held = signers.get(spec.name)
        if held is None:
            steps.append(Make(spec.name))
            continue
        step = _next_step(inventory, spec, held, now, spec.name in asked, spec.name in ended)
        if isinstance(step, Retire) and not _all_current(inventory, spec.name, certificates):
            continue
        if step is not None:
            steps.append(step)
    if any(isinstance(step, Make | Promote) for step in steps):
        return steps  # which certificates are due then is seen afterwards
    life = inventory.lifetimes.certificate
    for one in inventory.certificates:
        certificate = certificates.get(one.name)
        if certificate is None or one.name in asked or _is_due(certificate, now, life):
            steps.append(Issue(one.name))
    return steps


def _next_step(
    inventory: Inventory,
    spec: AuthoritySpec | KeySpec,
    held: HeldSigner,
    now: datetime,
    asked: bool,
    ended: bool,
) -> Step | None:
    lifetimes = inventory.lifetimes

    def is_over(seconds: float) -> bool:
        return held.since is None or now - held.since >= life_of(seconds)

    match held.phase:
        case Phase.STEADY:
            least = life_of(lifetimes.authority * RENEW_SHARE)
            due = held.not_after is not None and held.not_after - now < least
            return Announce(spec.name) if asked or due else None
        case Phase.ANNOUNCED:
            return Promote(spec.name) if is_over(lifetimes.settle) else None
        case Phase.SIGNING:
            overlap = lifetimes.token if isinstance(spec, KeySpec) else lifetimes.settle
            return Retire(spec.name) if ended or is_over(overlap) else None


def _all_current(
    inventory: Inventory, authority: str, certificates: Mapping[str, HeldCertificate]
) -> bool:
    """Whether the authority's present signer issued all certificates there should be of it."""
    names = [one.name for one in inventory.certificates if one.authority == authority]
    return all(name in certificates and certificates[name].current for name in names)


def _is_due(held: HeldCertificate, now: datetime, life: float) -> bool:
    return not held.fits or not held.current or held.not_after - now < life_of(life * RENEW_SHARE)
