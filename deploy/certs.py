"""What certificates and keys a cluster has on this machine, as rows; asking for new ones by name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from deploy import keeper
from deploy.inventory import INVENTORY, CertificateSpec, Inventory
from deploy.pki import load_bundle, subject_names
from deploy.preflight import Problem

SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True)
class Row:
    """An authority, a certificate or a key. `ends` and `days` are None when it cannot be read.

    kind:  authority, client, server, both, or key: signs tokens and has no end
    phase: of an authority or key: steady, announced (a successor is trusted), signing (the old one still is)
    """

    name: str
    kind: str
    user: str
    groups: tuple[str, ...]
    names: tuple[str, ...]
    authority: str
    ends: datetime | None
    days: float | None
    file: str
    phase: str = ""


def read_inventory(folder: Path) -> Inventory:
    """The inventory of the cluster whose `pki` folder lies in this one. Problem without one."""
    file = folder / "pki" / INVENTORY
    try:
        return Inventory.read(file)
    except FileNotFoundError:
        raise Problem(f"there are no certificates in {folder}", "wherry up") from None


def rows(inventory: Inventory, now: datetime) -> list[Row]:
    """Authorities first, then certificates, as they are on disk."""
    found = []
    held = keeper.signers(inventory)
    for spec in inventory.authorities:
        state = held.get(spec.name)
        ends = (state and state.not_after) or _end(spec.bundle)
        phase = state.phase.value if state is not None else ""
        found.append(
            Row(spec.name, "authority", spec.common_name, (), (), "", ends, _days(ends, now),
                str(spec.bundle), phase)
        )  # fmt: skip
    found += [_certificate(spec, now) for spec in inventory.certificates]
    for key in inventory.keys:
        state = held.get(key.name)
        phase = state.phase.value if state is not None else ""
        found.append(Row(key.name, "key", "", (), (), "", None, None, str(key.key), phase))
    return found


def _end(bundle: Path) -> datetime | None:
    """Of the certificate that signs, for who may not read its key."""
    try:
        return load_bundle(bundle)[0].not_valid_after_utc
    except (OSError, ValueError):
        return None


def _certificate(spec: CertificateSpec, now: datetime) -> Row:
    try:
        certificate = load_bundle(spec.certificate)[0]
    except (OSError, ValueError):
        ends, names = None, spec.names
    else:
        ends = certificate.not_valid_after_utc
        names = tuple(_text(one) for one in subject_names(certificate))
    return Row(
        spec.name, spec.usage.value, spec.common_name, spec.organizations, names, spec.authority,
        ends, _days(ends, now), str(spec.certificate),
    )  # fmt: skip


def _text(name: x509.GeneralName) -> str:
    return str(name.value)


def _days(ends: datetime | None, now: datetime) -> float | None:
    return None if ends is None else round((ends - now).total_seconds() / SECONDS_PER_DAY, 1)


def renew(
    inventory: Inventory,
    names: Collection[str],
    now: datetime,
    say: Callable[[str], None],
    *,
    authorities: bool = False,
) -> None:
    """Make certificates anew: those named, or all; with `authorities` also all of those.

    Problem when a name is unknown or an authority is already being replaced.
    """
    certificates = [one.name for one in inventory.certificates]
    known = [one.name for one in inventory.authorities]
    signers = {*known, *(one.name for one in inventory.keys)}
    for name in names:
        if name not in (*certificates, *signers):
            raise Problem(f"there is no certificate {name}", "wherry certs")
    asked = set(names) or set(certificates)
    if authorities:
        asked |= set(known)
    held = keeper.signers(inventory)
    for name in sorted(asked & signers):
        state = held.get(name)
        if state is not None and state.phase.value != "steady":
            raise Problem(
                f"{name} is being replaced already ({state.phase.value})", "wait until it is steady"
            )
    done = keeper.advance(inventory, now, asked, say)
    if not done:
        say("nothing was to be done")


def end(inventory: Inventory, name: str, now: datetime, say: Callable[[str], None]) -> None:
    """Trust no longer what an authority or key replaced. Problem when nothing was replaced yet."""
    held = keeper.signers(inventory).get(name)
    if held is None:
        raise Problem(f"there is no authority or key {name}", "wherry certs")
    if held.phase.value != "signing":
        raise Problem(
            f"{name} has no predecessor that is trusted ({held.phase.value})", "wherry certs"
        )
    keeper.advance(inventory, now, say=say, ended={name})
