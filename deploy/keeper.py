"""Keeps a cluster's certificates good: reads what is on disk, asks `rotation.plan`, does it.

Every step may be cut short at any point and is done again whole. Two keepers (the supervisor's and a
person's `wherry certs renew`) take turns by a lock file. Run by the supervisor now and then as
`python -m deploy.keeper INVENTORY`, so that what it loads does not stay in memory.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from deploy import kubeconfig
from deploy.files import write_private, write_public
from deploy.inventory import AuthoritySpec, CertificateSpec, Inventory, life_of
from deploy.pki import (
    Authority,
    KeyPair,
    certificate_pem,
    is_for,
    key_pem,
    load_bundle,
    load_key,
    new_authority,
    new_certificate,
)
from deploy.rotation import (
    Announce,
    HeldAuthority,
    HeldCertificate,
    Issue,
    MakeAuthority,
    Phase,
    Promote,
    Retire,
    Step,
    plan,
)
from wherry.daemon.certificate import issued_by

ROUNDS_MAX = 5  # make an authority or promote one, then issue; the rest is slack
LOCK, STATE = ".lock", "rotation.json"

Say = Callable[[str], None]


def advance(
    inventory: Inventory, now: datetime, asked: Collection[str] = (), say: Say = lambda text: None
) -> list[Step]:
    """Do what is due (and what is asked for by name); the steps done, in order."""
    Path(inventory.directory).mkdir(parents=True, exist_ok=True)
    done: list[Step] = []
    with _locked(inventory):
        for _ in range(ROUNDS_MAX):
            steps = plan(inventory, authorities(inventory), certificates(inventory), now, asked)
            if not steps:
                break
            for step in steps:
                _do(inventory, step, now)
                say(_words(inventory, step))
            done += steps
            asked = ()
        for authority in inventory.authorities:
            _own(authority.key, authority.owner)
        for spec in inventory.certificates:
            _own(spec.key, spec.owner)
            _follow(inventory, spec)
    return done


@contextmanager
def _locked(inventory: Inventory) -> Iterator[None]:
    with (Path(inventory.directory) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- what is there


def signer_of(spec: AuthoritySpec) -> Authority | None:
    """The certificate of the bundle that the key belongs to; None when there is none."""
    try:
        bundle, key = load_bundle(spec.bundle), load_key(spec.key)
    except (OSError, ValueError):
        return None
    for one in bundle:
        if one.public_key() == key.public_key():
            return Authority(one, key, spec.bundle)
    return None


def _state(inventory: Inventory) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(
            (Path(inventory.directory) / STATE).read_text()
        )
    except FileNotFoundError:
        return {}
    return found


def authorities(inventory: Inventory) -> dict[str, HeldAuthority]:
    """The authorities on disk, and how far each is in being replaced."""
    state, held = _state(inventory), {}
    for spec in inventory.authorities:
        signer = signer_of(spec)
        if signer is None:
            continue
        said = state.get(spec.name)
        not_after = signer.certificate.not_valid_after_utc
        held[spec.name] = (
            HeldAuthority(not_after, Phase(said["phase"]), datetime.fromisoformat(said["since"]))
            if said
            else HeldAuthority(not_after)
        )
    return held


def certificates(inventory: Inventory) -> dict[str, HeldCertificate]:
    """The certificates on disk. One that cannot be read is missing."""
    signers = {spec.name: signer_of(spec) for spec in inventory.authorities}
    held = {}
    for spec in inventory.certificates:
        try:
            certificate, key = load_bundle(spec.certificate)[0], load_key(spec.key)
        except (OSError, ValueError):
            continue
        signer = signers[spec.authority]
        held[spec.name] = HeldCertificate(
            certificate.not_valid_after_utc,
            fits=is_for(certificate, spec.subject) and key.public_key() == certificate.public_key(),
            current=signer is not None and issued_by(certificate, signer.certificate),
        )
    return held


# --- what is done


def _do(inventory: Inventory, step: Step, now: datetime) -> None:
    match step:
        case MakeAuthority(name):
            _make_authority(inventory, inventory.authority(name), now)
        case Announce(name):
            _announce(inventory, inventory.authority(name), now)
        case Promote(name):
            _promote(inventory, inventory.authority(name), now)
        case Retire(name):
            spec = inventory.authority(name)
            write_public(spec.bundle, certificate_pem(_signer(spec).certificate))
            _set_phase(inventory, name, Phase.STEADY, now)
        case Issue(name):
            _issue(inventory, inventory.certificate(name), now)


def _signer(spec: AuthoritySpec) -> Authority:
    signer = signer_of(spec)
    if signer is None:
        raise ValueError(f"{spec.key} is not the key of {spec.bundle}")
    return signer


def _make_authority(inventory: Inventory, spec: AuthoritySpec, now: datetime) -> None:
    certificate, key = new_authority(spec.common_name, now, life_of(inventory.lifetimes.authority))
    write_private(spec.key, key_pem(key), spec.owner)
    write_public(spec.bundle, certificate_pem(certificate))
    _set_phase(inventory, spec.name, Phase.STEADY, now)


def _next(spec: AuthoritySpec) -> KeyPair:
    return KeyPair(Path(f"{spec.stem}.next.crt"), Path(f"{spec.stem}.next.key"))


def _announce(inventory: Inventory, spec: AuthoritySpec, now: datetime) -> None:
    successor, old = _next(spec), _signer(spec).certificate
    certificate, key = new_authority(spec.common_name, now, life_of(inventory.lifetimes.authority))
    write_private(successor.key, key_pem(key))
    write_public(successor.certificate, certificate_pem(certificate))
    write_public(spec.bundle, certificate_pem(old, certificate))
    _set_phase(inventory, spec.name, Phase.ANNOUNCED, now)


def _promote(inventory: Inventory, spec: AuthoritySpec, now: datetime) -> None:
    """The key decides who signs, so the moment it is replaced the successor does."""
    successor, bundle = _next(spec), load_bundle(spec.bundle)
    if successor.key.exists():
        write_private(spec.key, successor.key.read_bytes(), spec.owner)
    signer = _signer(spec).certificate
    others: list[x509.Certificate] = [one for one in bundle if one != signer]
    write_public(spec.bundle, certificate_pem(signer, *others))
    _set_phase(inventory, spec.name, Phase.SIGNING, now)
    successor.key.unlink(missing_ok=True)
    successor.certificate.unlink(missing_ok=True)


def _set_phase(inventory: Inventory, name: str, phase: Phase, now: datetime) -> None:
    state = _state(inventory)
    state.pop(name, None)
    if phase is not Phase.STEADY:
        state[name] = {"phase": phase.value, "since": now.isoformat()}
    write_public(Path(inventory.directory) / STATE, json.dumps(state, indent=1).encode())


def _issue(inventory: Inventory, spec: CertificateSpec, now: datetime) -> None:
    authority = _signer(inventory.authority(spec.authority))
    certificate, key = new_certificate(
        authority, spec.subject, now, life_of(inventory.lifetimes.certificate)
    )
    write_private(spec.key, key_pem(key), spec.owner)
    write_public(spec.certificate, certificate_pem(certificate))


def _own(key: Path, owner: str) -> None:
    """A key that was made for another user goes to the one who needs it now."""
    if os.geteuid() != 0:
        return
    uid = pwd.getpwnam(owner).pw_uid if owner else 0
    if key.stat().st_uid != uid:
        write_private(key, key.read_bytes(), owner)


def _follow(inventory: Inventory, spec: CertificateSpec) -> None:
    """The kubeconfig that goes with the certificate."""
    if spec.kubeconfig is None:
        return
    write = kubeconfig.embedding if spec.kubeconfig.embedded else kubeconfig.referring
    bundle, pair = inventory.authority(spec.authority).bundle, KeyPair(spec.certificate, spec.key)
    text = write(spec.kubeconfig.server, bundle, spec.common_name, pair)
    path = Path(spec.kubeconfig.path)
    owner = spec.owner if os.geteuid() == 0 else ""
    uid = pwd.getpwnam(owner).pw_uid if owner else os.geteuid()
    if not path.exists() or path.read_bytes() != text or path.stat().st_uid != uid:
        write_private(path, text, owner)


def _words(inventory: Inventory, step: Step) -> str:
    settle = f"{inventory.lifetimes.settle:.0f} s"
    match step:
        case MakeAuthority(name):
            return f"{name}: made"
        case Announce(name):
            return f"{name}: a successor is trusted beside it; in {settle} it will sign"
        case Promote(name):
            return f"{name}: the successor signs; in {settle} the old one is trusted no longer"
        case Retire(name):
            return f"{name}: the old authority is trusted no longer"
        case Issue(name):
            return f"{name}: issued"


def main(file: Path) -> None:
    def say(text: str) -> None:
        sys.stderr.write(f"certificates: {text}\n")

    advance(Inventory.read(file), datetime.now(UTC), say=say)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
